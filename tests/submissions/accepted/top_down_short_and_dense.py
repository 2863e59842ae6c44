# verdict: pass
# style: competitive programmer: GPT2 first and parts below, dense lines, walrus, self called s
import torch, torch.nn as nn, torch.nn.functional as F  # noqa: E401


class GPT2(nn.Module):
    def __init__(s, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        s.e, s.p = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        s.b = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ),
            nn.LayerNorm(embed_dim),
        )
        s.d = nn.Dropout(dropout_p)

    def forward(s, idx):
        return s.b(s.d(s.e(idx) + s.p.weight[: idx.shape[1]])) @ s.e.weight.T


class TransformerBlock(nn.Module):
    def __init__(s, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        s.n, s.m = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        s.a = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        s.f = MLP(embed_dim, dropout_p)

    def forward(s, x):
        return (y := x + s.a(s.n(x))) + s.f(s.m(y))


class MLP(nn.Module):
    def __init__(s, embed_dim, dropout_p=0.0):
        super().__init__()
        s.u, s.v = nn.Linear(embed_dim, n := 4 * embed_dim), nn.Linear(n, embed_dim)
        s.d = nn.Dropout(dropout_p)

    def forward(s, x):
        return s.d(s.v(F.gelu(s.u(x))))


class CausalSelfAttention(nn.Module):
    def __init__(s, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        s.i, s.o = nn.Linear(embed_dim, 3 * embed_dim), nn.Linear(embed_dim, embed_dim)
        s.h, s.d = num_heads, nn.Dropout(dropout_p)

    def forward(s, x):
        b, t, c = x.shape
        q, k, v = s.i(x).view(b, t, 3, s.h, c // s.h).permute(2, 0, 3, 1, 4)
        a = (q @ k.mT / (c // s.h) ** 0.5).masked_fill(x.new_ones(t, t).triu(1) > 0, -torch.inf)
        return s.d(s.o((s.d(a.softmax(-1)) @ v).transpose(1, 2).reshape(b, t, c)))
