import torch
import torch.nn as nn
import torch.nn.functional as F


def cut(flat, shapes):
    """Cuts a vector into tensors of the shapes given, in order."""
    out, at = [], 0
    for shape in shapes:
        size = 1
        for n in shape:
            size *= n
        out.append(flat[at : at + size].view(shape))
        at += size
    assert at == flat.numel()
    return out


def flat_init(shapes):
    parts = []
    for shape in shapes:
        t = torch.randn(shape) / shape[-1] ** 0.5 if len(shape) == 2 else torch.zeros(shape)
        parts.append(t.flatten())
    return nn.Parameter(torch.cat(parts))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.shapes = [(3 * C, C), (3 * C,), (C, C), (C,)]
        self.theta = flat_init(self.shapes)
        self.num_heads = num_heads
        self.p = dropout_p

    def forward(self, x):
        w_in, b_in, w_out, b_out = cut(self.theta, self.shapes)
        B, T, C = x.shape
        qkv = F.linear(x, w_in, b_in).view(B, T, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.p * self.training
        )
        y = F.linear(y.permute(0, 2, 1, 3).reshape(B, T, C), w_out, b_out)
        return F.dropout(y, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.shapes = [(4 * C, C), (4 * C,), (C, 4 * C), (C,)]
        self.theta = flat_init(self.shapes)
        self.p = dropout_p

    def forward(self, x):
        w1, b1, w2, b2 = cut(self.theta, self.shapes)
        return F.dropout(F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        C = embed_dim
        self.norms = nn.Parameter(torch.cat([torch.ones(C), torch.zeros(C)]).repeat(2))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        C = x.shape[-1]
        g1, b1, g2, b2 = self.norms.split(C)
        x = x + self.attn(F.layer_norm(x, (C,), g1, b1))
        return x + self.mlp(F.layer_norm(x, (C,), g2, b2))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.rows = (vocab_size, block_size)
        self.table = nn.Parameter(torch.randn(vocab_size + block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        tok, pos = self.table.split(self.rows)
        x = F.embedding(idx, tok) + pos[: idx.shape[1]]
        for b in self.blocks:
            x = b(x)
        return F.linear(self.ln(x), tok)
