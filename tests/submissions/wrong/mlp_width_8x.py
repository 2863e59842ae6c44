# verdict: fail
# part: MLP
# cause: width-8x
# style: einsum weights of eight times the width; heads folded into the batch, baddbmm
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.d = num_heads, embed_dim // num_heads
        self.fused = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.unify = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        neg = torch.full((block_size, block_size), float("-inf"))
        self.register_buffer("neg", torch.triu(neg, diagonal=1))

    def fold(self, t):
        b, n, _ = t.shape
        return t.reshape(b, n, self.h, self.d).transpose(1, 2).reshape(b * self.h, n, self.d)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = map(self.fold, self.fused(x).chunk(3, dim=-1))
        w = torch.baddbmm(self.neg[:n, :n], q, k.transpose(1, 2), alpha=self.d**-0.5)
        y = torch.bmm(self.drop(w.softmax(2)), v)
        y = y.reshape(b, self.h, n, self.d).transpose(1, 2).reshape(b, n, c)
        return self.unify(y)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        f = 8 * embed_dim
        self.wi = nn.Parameter(torch.randn(embed_dim, f) / embed_dim**0.5)
        self.wo = nn.Parameter(torch.randn(f, embed_dim) / f**0.5)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(torch.einsum("btd,df->btf", x, self.wi), approximate="tanh")
        return self.drop(torch.einsum("btf,fd->btd", h, self.wo))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        mid = torch.add(x, self.attn(self.ln_1(x)))
        return torch.add(mid, self.mlp(self.ln_2(mid)))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.trunk = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions[: idx.size(1)]
        return self.unembed(self.ln(self.trunk(x)))
