# verdict: pass
# style: pure functions on parameter trees for one sequence, lifted with torch.func.vmap
from functools import partial

import torch
from torch import nn
from torch.func import vmap

# --- pure functions; no batch axis anywhere: x is (T, C), one head is (T, D) -----------------


def dense(params, x):
    return x @ params["kernel"] + params["bias"]


def layer_norm(params, x):
    mu = x.mean(-1, keepdim=True)
    var = ((x - mu) ** 2).mean(-1, keepdim=True)
    return params["scale"] * (x - mu) / (var + 1e-5).sqrt() + params["offset"]


def dropout(x, rate, train):
    return nn.functional.dropout(x, p=rate, training=train)


def one_head(q, k, v, *, rate, train):
    t, d = q.shape
    keep = torch.ones(t, t, dtype=torch.bool, device=q.device).tril()
    logits = (q @ k.T) * d ** -0.5
    logits = logits.masked_fill(~keep, torch.finfo(logits.dtype).min)
    return dropout(logits.softmax(-1), rate, train) @ v


def attention(params, x, *, num_heads, rate, train):
    t, c = x.shape
    q, k, v = (dense(params[n], x).reshape(t, num_heads, -1) for n in ("query", "key", "value"))
    head = partial(one_head, rate=rate, train=train)
    y = vmap(head, in_dims=1, out_dims=1, randomness="different")(q, k, v)  # (T, H, D)
    return dropout(dense(params["out"], y.reshape(t, c)), rate, train)


def feed_forward(params, x, *, rate, train):
    hidden = nn.functional.gelu(dense(params["up"], x), approximate="tanh")
    return dropout(dense(params["down"], hidden), rate, train)


# --- trees of parameters ---------------------------------------------------------------------


def tree(**leaves):
    make = {k: v if isinstance(v, nn.Module) else nn.Parameter(v) for k, v in leaves.items()}
    if any(isinstance(v, nn.Module) for v in make.values()):
        return nn.ModuleDict(make)
    return nn.ParameterDict(make)


def init_dense(n_in, n_out):
    return tree(kernel=torch.randn(n_in, n_out) * n_in ** -0.5, bias=torch.zeros(n_out))


def init_norm(n):
    return tree(scale=torch.ones(n), offset=torch.zeros(n))


# --- the four classes of the task: thin shells that hold a tree and batch a function ----------


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        names = ("query", "key", "value", "out")
        self.params = tree(**{n: init_dense(embed_dim, embed_dim) for n in names})
        self.static = dict(num_heads=num_heads, rate=dropout_p)

    def forward(self, x):
        f = partial(attention, self.params, train=self.training, **self.static)
        return vmap(f, randomness="different")(x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.params = tree(
            up=init_dense(embed_dim, 4 * embed_dim), down=init_dense(4 * embed_dim, embed_dim)
        )
        self.rate = dropout_p

    def forward(self, x):
        f = partial(feed_forward, self.params, rate=self.rate, train=self.training)
        return vmap(f, randomness="different")(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = tree(attn=init_norm(embed_dim), mlp=init_norm(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(layer_norm(self.norms["attn"], x))
        return x + self.mlp(layer_norm(self.norms["mlp"], x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.params = tree(
            wte=torch.randn(vocab_size, embed_dim) * 0.02,
            wpe=torch.randn(block_size, embed_dim) * 0.02,
        )
        self.ln_f = init_norm(embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        )
        self.rate = dropout_p

    def forward(self, idx):
        x = self.params["wte"][idx] + self.params["wpe"][: idx.shape[1]]
        x = dropout(x, self.rate, self.training)
        for block in self.blocks:
            x = block(x)
        return torch.einsum("btc,vc->btv", layer_norm(self.ln_f, x), self.params["wte"])
