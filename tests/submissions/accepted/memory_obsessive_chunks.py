# verdict: pass
# style: obsessive about memory: head by head, query chunks that see only their prefix, baddbmm, del
import torch
import torch.nn as nn
import torch.nn.functional as F

CHUNK = 4  # queries handled at a time


class CausalSelfAttention(nn.Module):
    __constants__ = ["num_heads", "head_dim"]

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.p = dropout_p

    def _one_head(self, q, k, v):
        pieces = []
        for lo in range(0, q.size(1), CHUNK):
            hi = min(lo + CHUNK, q.size(1))
            qc = q[:, lo:hi]
            # keys beyond hi are never touched; only the small corner lo..hi needs a mask
            corner = qc.new_zeros(hi - lo, hi)
            corner[:, lo:].masked_fill_(
                torch.ones(hi - lo, hi - lo, dtype=torch.bool, device=q.device).triu_(1),
                float("-inf"),
            )
            s = torch.baddbmm(
                corner.expand(q.size(0), -1, -1),
                qc,
                k[:, :hi].transpose(1, 2),
                beta=1.0,
                alpha=self.head_dim**-0.5,
            )
            w = F.dropout(torch.softmax(s, dim=-1), self.p, self.training)
            del s
            pieces.append(torch.bmm(w, v[:, :hi]))
            del w
        return torch.cat(pieces, dim=1)

    def forward(self, x):
        D = self.head_dim
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        y = torch.empty_like(q)
        for h in range(self.num_heads):
            s = slice(h * D, (h + 1) * D)
            y[..., s] = self._one_head(q[..., s], k[..., s], v[..., s])
        del q, k, v
        return F.dropout(self.proj(y), self.p, self.training)


class MLP(nn.Module):
    """Works through the sequence in slices, so that the (T, 4C) activation never exists whole."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        parts = [self.down(F.gelu(self.up(piece))) for piece in x.split(CHUNK, dim=1)]
        return F.dropout(torch.cat(parts, dim=1), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.attn(self.ln_1(x)).add_(x)  # in place on our own fresh tensor, never on the input
        return self.mlp(self.ln_2(x)).add_(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.wte(idx).add_(self.wpe.weight[: idx.size(1)])
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.t()
