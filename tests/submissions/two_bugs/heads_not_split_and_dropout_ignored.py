# verdict: fail
# part: CausalSelfAttention
# causes: heads-not-split dropout-ignored
# style: ModuleDict of projections and bmm over the whole width; both dropouts made, never called
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which position t looks at positions <= t."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.proj = nn.ModuleDict({name: nn.Linear(embed_dim, embed_dim) for name in "qkvo"})
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        allowed = torch.ones(block_size, block_size, dtype=torch.bool).tril()
        self.register_buffer("allowed", allowed, persistent=False)

    def forward(self, x):
        T = x.size(1)
        q, k, v = self.proj["q"](x), self.proj["k"](x), self.proj["v"](x)
        scores = torch.bmm(q, k.mT) * self.head_dim**-0.5
        scores.masked_fill_(~self.allowed[:T, :T], float("-inf"))
        weights = F.softmax(scores, dim=-1)
        out = torch.bmm(weights, v)
        return self.proj["o"](out)


class MLP(nn.Module):
    """Position-wise network, four times as wide inside."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(self.fc(x))
        return self.dropout(self.proj(hidden))


class TransformerBlock(nn.Module):
    """Attention, then MLP, each behind a LayerNorm and beside a skip connection."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln[0](x))
        x = x + self.mlp(self.ln[1](x))
        return x


class GPT2(nn.Module):
    """Decoder-only language model."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        positions = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(positions))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)  # tied
