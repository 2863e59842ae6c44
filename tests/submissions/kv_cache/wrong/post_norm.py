# verdict: fail
# part: Model
# cause: not-gpt2
# style: a student who normalises afterwards
import math
import torch
import torch.nn as nn


class Layer(nn.Module):
    def __init__(self, d, h, p):
        super().__init__()
        self.h = h
        self.norm1 = nn.LayerNorm(d)
        self.norm2 = nn.LayerNorm(d)
        self.Wq = nn.Linear(d, d)
        self.Wk = nn.Linear(d, d)
        self.Wv = nn.Linear(d, d)
        self.Wo = nn.Linear(d, d)
        self.fc1 = nn.Linear(d, 4 * d)
        self.fc2 = nn.Linear(4 * d, d)
        self.drop = nn.Dropout(p)

    def one(self, x, keys, values):
        # x is one token (B, d); keys and values are lists of all tokens so far
        z = x
        keys = keys + [self.Wk(z)]
        values = values + [self.Wv(z)]
        q = self.Wq(z)
        size = q.shape[1] // self.h
        outs = []
        for n in range(self.h):
            part = slice(n * size, (n + 1) * size)
            scores = torch.stack([(q[:, part] * k[:, part]).sum(1) for k in keys], dim=1)
            w = torch.softmax(scores / math.sqrt(size), dim=1)
            outs.append(sum(w[:, i:i + 1] * v[:, part] for i, v in enumerate(values)))
        x = self.norm1(x + self.drop(self.Wo(torch.cat(outs, dim=1))))
        x = x + self.drop(self.fc2(torch.nn.functional.gelu(self.fc1(self.norm2(x)))))
        return x, keys, values


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList([Layer(embed_dim, num_heads, dropout_p) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(embed_dim)
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx, cache=None):
        if cache is None:
            cache = [([], []) for _ in self.layers]
        result = []
        for t in range(idx.shape[1]):
            place = len(cache[0][0])
            if place >= self.block_size:
                raise ValueError("too many tokens for block_size " + str(self.block_size))
            x = self.emb(idx[:, t]) + self.pos(torch.tensor(place))
            new = []
            for layer, (keys, values) in zip(self.layers, cache):
                x, keys, values = layer.one(x, keys, values)
                new.append((keys, values))
            cache = new
            result.append(self.out(self.norm(x)))
        return torch.stack(result, dim=1), cache
