# verdict: fail
# part: CausalSelfAttention
# cause: batch-mixing
# style: flattens (B, T) to rows for big matmuls and forgets to part the examples before attending
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """All projections as plain 2-D matmuls on (B*T, C)."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.Wqkv = nn.Parameter(torch.randn(3, embed_dim, embed_dim) * embed_dim**-0.5)
        self.Wo = nn.Parameter(torch.randn(embed_dim, embed_dim) * embed_dim**-0.5)
        self.dropout_p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        flat = x.reshape(B * T, C)
        q, k, v = (
            torch.mm(flat, w).view(-1, self.num_heads, self.head_dim).transpose(0, 1)
            for w in self.Wqkv
        )
        scores = torch.bmm(q, k.transpose(1, 2)) / self.head_dim**0.5  # (H, N, N)
        n = torch.arange(B * T, device=x.device)
        allowed = n[:, None] >= n[None, :]
        weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
        y = torch.bmm(F.dropout(weights, self.dropout_p, self.training), v)
        y = y.transpose(0, 1).reshape(B * T, C)
        return F.dropout(torch.mm(y, self.Wo), self.dropout_p, self.training).view(B, T, C)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * embed_dim**-0.5)
        self.W2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * embed_dim**-0.5)
        self.dropout_p = dropout_p

    def forward(self, x):
        h = torch.mm(F.gelu(torch.mm(x.flatten(0, 1), self.W1)), self.W2)
        return F.dropout(h.view_as(x), self.dropout_p, self.training)


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
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))
