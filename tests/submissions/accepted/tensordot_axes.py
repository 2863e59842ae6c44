# verdict: pass
# style: numpy-minded: tensordot over named axes, 4-D weights (C, 3, H, D), output weight (H, D, C)
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        self.Wqkv = nn.Parameter(torch.randn(embed_dim, 3, num_heads, D) / embed_dim**0.5)
        self.bqkv = nn.Parameter(torch.zeros(3, num_heads, D))
        self.Wo = nn.Parameter(torch.randn(num_heads, D, embed_dim) / embed_dim**0.5)
        self.bo = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)
        mask = torch.arange(block_size)[:, None] < torch.arange(block_size)[None, :]
        self.register_buffer("hidden", mask)

    def forward(self, x):
        T = x.shape[1]
        qkv = torch.tensordot(x, self.Wqkv, dims=([2], [0])) + self.bqkv  # (B, T, 3, H, D)
        q = qkv[:, :, 0].permute(0, 2, 1, 3)
        kT = qkv[:, :, 1].permute(0, 2, 3, 1)
        v = qkv[:, :, 2].permute(0, 2, 1, 3)
        scores = torch.matmul(q, kT) / q.shape[-1] ** 0.5
        scores = torch.masked_fill(scores, self.hidden[:T, :T], float("-inf"))
        weights = self.drop(F.softmax(scores, dim=3))
        z = torch.matmul(weights, v)  # (B, H, T, D)
        out = torch.tensordot(z, self.Wo, dims=([1, 3], [0, 1]))
        return self.drop(out + self.bo)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(embed_dim, 4, embed_dim) / embed_dim**0.5)
        self.b1 = nn.Parameter(torch.zeros(4, embed_dim))
        self.W2 = nn.Parameter(torch.randn(4, embed_dim, embed_dim) / (4 * embed_dim) ** 0.5)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(torch.tensordot(x, self.W1, dims=1) + self.b1)  # (B, T, 4, C)
        return self.drop(torch.tensordot(h, self.W2, dims=2) + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.Wout = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        x = self.tok(idx) + self.pos.narrow(1, 0, idx.shape[1])
        for block in self.blocks:
            x = block(x)
        return torch.tensordot(self.ln(x), self.Wout, dims=([-1], [0]))
