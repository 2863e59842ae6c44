# verdict: pass
# style: JAX person: pure functions over a parameter tree (nn.ParameterDict)
import math
import torch
import torch.nn as nn


def normal(shape, std=0.02):
    return nn.Parameter(std * torch.randn(shape))


def init_attention(d):
    return nn.ParameterDict(
        {
            "wqkv": normal((d, 3, d)),
            "bqkv": nn.Parameter(torch.zeros(3, d)),
            "wo": normal((d, d)),
            "bo": nn.Parameter(torch.zeros(d)),
        }
    )


def init_mlp(d):
    return nn.ParameterDict(
        {
            "w1": normal((d, 4 * d)),
            "b1": nn.Parameter(torch.zeros(4 * d)),
            "w2": normal((4 * d, d)),
            "b2": nn.Parameter(torch.zeros(d)),
        }
    )


def init_norm(d):
    return nn.ParameterDict({"g": nn.Parameter(torch.ones(d)), "b": nn.Parameter(torch.zeros(d))})


def dropout(x, rate, train):
    if not train or rate == 0.0:
        return x
    keep = torch.rand_like(x) >= rate
    return torch.where(keep, x / (1.0 - rate), torch.zeros_like(x))


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def norm(p, x, eps=1e-5):
    mu = x.mean(-1, keepdim=True)
    var = ((x - mu) ** 2).mean(-1, keepdim=True)
    return p["g"] * (x - mu) * torch.rsqrt(var + eps) + p["b"]


def softmax(s):
    e = torch.exp(s - s.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def apply_attention(p, x, n_head, rate, train):
    b, t, d = x.shape
    qkv = torch.tensordot(x, p["wqkv"], dims=1) + p["bqkv"]  # [b, t, 3, d]
    q, k, v = (qkv[:, :, i].reshape(b, t, n_head, d // n_head).swapaxes(1, 2) for i in range(3))
    s = q @ k.swapaxes(-1, -2) / math.sqrt(d // n_head)
    bias = torch.full((t, t), -1e10, dtype=x.dtype, device=x.device).triu(1)
    o = softmax(s + bias) @ v
    o = o.swapaxes(1, 2).reshape(b, t, d)
    return dropout(o @ p["wo"] + p["bo"], rate, train)


def apply_mlp(p, x, rate, train):
    return dropout(gelu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"], rate, train)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.params = init_attention(embed_dim)
        self.n_head, self.rate = num_heads, dropout_p

    def forward(self, x):
        return apply_attention(self.params, x, self.n_head, self.rate, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.params, self.rate = init_mlp(embed_dim), dropout_p

    def forward(self, x):
        return apply_mlp(self.params, x, self.rate, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1, self.ln_2 = init_norm(embed_dim), init_norm(embed_dim)
        self.attn, self.mlp = init_attention(embed_dim), init_mlp(embed_dim)
        self.n_head, self.rate = num_heads, dropout_p

    def forward(self, x):
        flags = self.rate, self.training
        x = x + apply_attention(self.attn, norm(self.ln_1, x), self.n_head, *flags)
        return x + apply_mlp(self.mlp, norm(self.ln_2, x), *flags)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte, self.wpe = normal((vocab_size, embed_dim)), normal((block_size, embed_dim))
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = init_norm(embed_dim)
        self.rate = dropout_p

    def forward(self, idx):
        x = self.wte[idx] + self.wpe[torch.arange(idx.shape[-1])]
        x = dropout(x, self.rate, self.training)
        for blk in self.blocks:
            x = blk(x)
        return norm(self.ln_f, x) @ self.wte.T
