# verdict: fail
# part: TransformerBlock
# cause: batchnorm
# style: nn.BatchNorm1d over the channels (transposed there and back) in both norms
import torch
import torch.nn as nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tok_emb(idx) + self.pos_emb[:T]
        x = self.blocks(x)
        return self.head(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.bn_1 = nn.BatchNorm1d(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.bn_2 = nn.BatchNorm1d(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.bn_1(x.transpose(1, 2)).transpose(1, 2))
        x = x + self.mlp(self.bn_2(x.transpose(1, 2)).transpose(1, 2))
        return x


class Head(nn.Module):
    """One attention head."""

    def __init__(self, embed_dim, head_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        q, k = self.query(x), self.key(x)
        wei = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        future = torch.triu(torch.ones(T, T, device=x.device), diagonal=1).bool()
        wei = wei.masked_fill(future, float("-inf")).softmax(dim=-1)
        return self.dropout(wei) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        size = embed_dim // num_heads
        self.heads = nn.ModuleList(Head(embed_dim, size, dropout_p) for _ in range(num_heads))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.proj(out))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)
