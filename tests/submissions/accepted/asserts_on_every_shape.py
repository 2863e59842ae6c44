# verdict: pass
# style: an assert on the shape after each line, one-letter size names, a check() helper
import torch
import torch.nn as nn


def check(t, *shape):
    assert tuple(t.shape) == shape, f"expected {shape}, got {tuple(t.shape)}"
    return t


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim > 0 and num_heads > 0 and block_size > 0
        assert embed_dim % num_heads == 0, "embed_dim must be a multiple of num_heads"
        assert 0.0 <= dropout_p <= 1.0
        self.C, self.H, self.D = embed_dim, num_heads, embed_dim // num_heads
        self.block_size = block_size
        self.kqv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)  # k first, then q, then v
        self.out = nn.Linear(embed_dim, embed_dim, bias=False)
        self.drop_a = nn.Dropout(dropout_p)
        self.drop_o = nn.Dropout(dropout_p)
        mask = torch.zeros(block_size, 1, block_size, dtype=torch.bool)
        for t in range(block_size):
            mask[t, 0, t + 1 :] = True
        self.register_buffer("mask", mask)  # (query, 1, key)

    def forward(self, x):
        assert x.dim() == 3, "expected (B, T, C)"
        B, T, C = x.shape
        H, D = self.H, self.D
        assert C == self.C and T <= self.block_size
        k, q, v = (check(z, B, T, C).view(B, T, H, D) for z in self.kqv(x).split(C, dim=2))
        s = torch.einsum("bthd,bshd->bths", q, k)
        s = check(s, B, T, H, T) / D**0.5
        s = s.masked_fill(self.mask[:T, :, :T], float("-inf"))
        w = check(self.drop_a(torch.softmax(s, dim=-1)), B, T, H, T)
        y = check(torch.einsum("bths,bshd->bthd", w, v), B, T, H, D)
        return check(self.drop_o(self.out(y.reshape(B, T, C))), B, T, C)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.pr = nn.Linear(4 * embed_dim, embed_dim)
        assert self.fc.out_features == self.pr.in_features == 4 * embed_dim
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        h = check(nn.functional.gelu(self.fc(x)), B, T, 4 * C)
        return check(self.drop(self.pr(h)), B, T, C)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.at = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.ml = MLP(embed_dim, dropout_p)

    def forward(self, x):
        shape = x.shape
        x = check(x + self.at(self.ln1(x)), *shape)
        x = check(x + self.ml(self.ln2(x)), *shape)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.V, self.L = vocab_size, num_layers
        self.te = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Embedding(block_size, embed_dim)
        self.bs = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.nf = nn.LayerNorm(embed_dim)
        self.hd = nn.Linear(embed_dim, vocab_size, bias=False)
        assert len(self.bs) == num_layers

    def forward(self, idx):
        assert idx.dim() == 2 and not idx.is_floating_point(), "expected integer (B, T)"
        B, T = idx.shape
        p = check(self.pe(torch.arange(T, device=idx.device)), T, self.pe.embedding_dim)
        x = check(self.te(idx), B, T, self.te.embedding_dim) + p
        for b in self.bs:
            x = b(x)
        return check(self.hd(self.nf(x)), B, T, self.V)
