# verdict: pass
# style: channels first with convolutions of width one, softmax in float32, cache as one flat list
import torch
import torch.nn as nn


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super(CachedGPT2, self).__init__()
        self.heads = num_heads
        self.word = nn.Embedding(vocab_size, embed_dim)
        self.spot = nn.Parameter(torch.randn(embed_dim, block_size) * 0.02)
        conv = lambda a, b: nn.Conv1d(a, b, 1)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(nn.ModuleList([
                nn.LayerNorm(embed_dim), conv(embed_dim, embed_dim), conv(embed_dim, embed_dim), conv(embed_dim, embed_dim),
                conv(embed_dim, embed_dim), nn.LayerNorm(embed_dim), conv(embed_dim, 4 * embed_dim), conv(4 * embed_dim, embed_dim),
            ]))
        self.last = nn.LayerNorm(embed_dim)
        self.out = nn.Conv1d(embed_dim, vocab_size, 1, bias=False)
        self.drop = nn.Dropout(dropout_p)

    @staticmethod
    def normed(norm, x):
        return norm(x.transpose(1, 2)).transpose(1, 2)

    def forward(self, idx, cache=None):
        b, t = idx.shape
        past = cache[0].shape[-1] if cache else 0
        if past + t > self.spot.shape[1]:
            raise ValueError(f"{past + t} tokens, but only {self.spot.shape[1]} positions")
        x = self.drop(self.word(idx).transpose(1, 2) + self.spot[:, past:past + t])
        fresh = []
        for i, (n1, q, k, v, o, n2, up, down) in enumerate(self.layers):
            h = self.normed(n1, x)
            keys, values = k(h), v(h)
            if cache:
                keys = torch.cat([cache[2 * i], keys], 2)
                values = torch.cat([cache[2 * i + 1], values], 2)
            fresh.extend([keys, values])
            ask, keys, values = (z.view(b, self.heads, -1, z.shape[-1]) for z in (q(h), keys, values))
            score = ask.transpose(2, 3) @ keys / ask.shape[2] ** 0.5
            later = torch.arange(past + t).view(1, -1) > torch.arange(past, past + t).view(-1, 1)
            share = torch.softmax(score.masked_fill(later, float("-inf")), -1, dtype=torch.float32).to(x.dtype)
            y = (values @ self.drop(share).transpose(2, 3)).reshape(b, -1, t)
            x = x + self.drop(o(y))
            x = x + self.drop(down(nn.functional.gelu(up(self.normed(n2, x)))))
        return self.out(self.normed(self.last, x)).transpose(1, 2), fresh
