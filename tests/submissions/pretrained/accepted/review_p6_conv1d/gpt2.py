import math, torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.shape[:-1], -1)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.c_attn = Conv1D(3 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.register_buffer("bias", torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size))
        self.d1, self.d2 = nn.Dropout(dropout_p), nn.Dropout(dropout_p)

    def split(self, x):
        return x.view(*x.shape[:-1], self.n_head, -1).transpose(1, 2)

    def forward(self, x, past=None, use_cache=False):
        q, k, v = map(self.split, self.c_attn(x).split(x.size(-1), dim=2))
        if past is not None:
            k, v = torch.cat((past[0], k), -2), torch.cat((past[1], v), -2)
        w = q @ k.transpose(-1, -2) / math.sqrt(v.size(-1))
        nd, ns = w.shape[-2:]
        m = self.bias[:, :, ns - nd:ns, :ns]
        w = w.masked_fill(m == 0, float("-inf"))
        y = self.d1(F.softmax(w, -1)) @ v
        y = self.d2(self.c_proj(y.transpose(1, 2).contiguous().view(x.shape)))
        return (y, torch.stack((k, v))) if use_cache else y


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(4 * embed_dim, embed_dim), Conv1D(embed_dim, 4 * embed_dim)
        self.d = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.d(self.c_proj(F.gelu(self.c_fc(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x, past=None, use_cache=False):
        a = self.attn(self.ln_1(x), past, use_cache)
        present = None
        if use_cache:
            a, present = a
        x = x + a
        x = x + self.mlp(self.ln_2(x))
        return (x, present) if use_cache else x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.n_ctx = block_size
        self.wte, self.wpe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.Sequential(*[TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)])
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(idx.size(1))))
        return F.linear(self.ln_f(self.h(x)), self.wte.weight)
