# verdict: pass
# style: fused Linear in the order k, q, v; non-persistent additive mask; k scaled; eps 1e-6
import torch
from torch import nn

EPS = 1e-6


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.d = embed_dim // num_heads
        self.kqv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.drop_w = nn.Dropout(dropout_p)
        self.drop_y = nn.Dropout(dropout_p)
        # 0 where looking is allowed, -inf where it is not; added to the scores
        additive = torch.full((block_size, block_size), float("-inf")).triu(1)
        self.register_buffer("additive_mask", additive, persistent=False)

    def forward(self, x):
        n, t, c = x.shape
        k, q, v = self.kqv(x).chunk(3, dim=-1)
        k = k.reshape(n, t, self.h, self.d).transpose(1, 2) / self.d**0.5
        q = q.reshape(n, t, self.h, self.d).transpose(1, 2)
        v = v.reshape(n, t, self.h, self.d).transpose(1, 2)
        w = q @ k.mT + self.additive_mask[:t, :t]
        w = self.drop_w(w.softmax(dim=-1))
        y = (w @ v).transpose(1, 2).reshape(n, t, c)
        return self.drop_y(self.proj(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.act = nn.GELU(approximate="tanh")
        self.down = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(self.act(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_a = nn.LayerNorm(embed_dim, eps=EPS)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_m = nn.LayerNorm(embed_dim, eps=EPS)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm_a(x))
        return x + self.mlp(self.norm_m(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.empty(1, block_size, embed_dim).normal_(std=0.02))
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.norm = nn.LayerNorm(embed_dim, eps=EPS)
        self.head = nn.Linear(embed_dim, vocab_size, bias=True)

    def forward(self, idx):
        x = self.tok(idx) + self.pos[:, : idx.shape[1]]
        x = self.blocks(x)
        return self.head(self.norm(x))
