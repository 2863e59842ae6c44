# verdict: fail
# part: CausalSelfAttention
# cause: block-size-mask-fixed
# style: 4-D boolean buffer of block_size used whole: only T == block_size runs
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.nh = num_heads
        self.hs = embed_dim // num_heads
        self.attn_in = nn.Conv1d(embed_dim, 3 * embed_dim, 1)
        self.attn_out = nn.Conv1d(embed_dim, embed_dim, 1)
        self.drop = nn.Dropout(dropout_p)
        future = torch.ones(1, 1, block_size, block_size, dtype=torch.bool).triu(1)
        self.register_buffer("future", future)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.attn_in(x.transpose(1, 2)).view(B, 3, self.nh, self.hs, T).unbind(1)
        s = torch.einsum("bhdt,bhds->bhts", q, k) * self.hs**-0.5
        w = self.drop(s.masked_fill(self.future, float("-inf")).softmax(-1))
        y = torch.einsum("bhts,bhds->bhdt", w, v).reshape(B, C, T)
        return self.drop(self.attn_out(y).transpose(1, 2))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.fc2 = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = torch.nn.functional.gelu(self.fc1(x.transpose(1, 2)))
        return self.drop(self.fc2(h).transpose(1, 2))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.body = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok(idx) + self.pos[: idx.shape[1]]
        return self.head(self.norm(self.body(x)))
