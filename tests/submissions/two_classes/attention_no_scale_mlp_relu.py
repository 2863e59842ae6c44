# verdict: fail
# causes: CausalSelfAttention:no-scale MLP:relu
# style: 1x1 convolution for q, k, v in channels-first attention; plain Sequential MLP
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1, bias=False)
        self.proj = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).tril().log())

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.qkv(x.transpose(1, 2))  # (B, 3C, T)
        q, k, v = qkv.view(B, 3, self.num_heads, C // self.num_heads, T).unbind(1)
        sim = torch.einsum("bhdi,bhdj->bhij", q, k)
        sim = sim + self.mask[:T, :T]
        attn = self.dropout(sim.softmax(dim=-1))
        out = torch.einsum("bhij,bhdj->bhdi", attn, v).reshape(B, C, T)
        return self.dropout(self.proj(out)).transpose(1, 2)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.ReLU(),
            nn.Dropout(dropout_p),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = PreNorm(embed_dim, attn)
        self.ff = PreNorm(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        x = self.attn(x) + x
        x = self.ff(x) + x
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(1, block_size, embed_dim))
        self.dropout = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList([])
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.to_logits = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        x = self.token_emb(idx)
        x = x + self.pos_emb[:, : x.shape[1]]
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x)
        return self.to_logits(x)
