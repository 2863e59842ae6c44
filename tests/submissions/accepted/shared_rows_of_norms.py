# verdict: pass
# style: one table of all norms' weights, one of their biases, of which blocks have rows
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (
            t.view(B, T, self.h, C // self.h).transpose(1, 2) for t in self.qkv(x).chunk(3, -1)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.dropout(self.proj(y.transpose(1, 2).reshape(B, T, C)), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim, num_heads, block_size, dropout_p=0.0, gains=None, shifts=None, layer=0
    ):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.gains = gains if gains is not None else nn.Parameter(torch.ones(2, embed_dim))
        self.shifts = shifts if shifts is not None else nn.Parameter(torch.zeros(2, embed_dim))
        self.layer = layer

    def norm(self, x, i):
        i += 2 * self.layer
        return F.layer_norm(x, x.shape[-1:], self.gains[i], self.shifts[i])

    def forward(self, x):
        x = x + self.attn(self.norm(x, 0))
        return x + self.mlp(self.norm(x, 1))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.gains = nn.Parameter(torch.ones(2 * num_layers + 1, embed_dim))
        self.shifts = nn.Parameter(torch.zeros(2 * num_layers + 1, embed_dim))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                embed_dim, num_heads, block_size, dropout_p, self.gains, self.shifts, i
            )
            for i in range(num_layers)
        )
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe.weight[: idx.shape[1]]
        for b in self.blocks:
            x = b(x)
        return self.head(F.layer_norm(x, x.shape[-1:], self.gains[-1], self.shifts[-1]))
