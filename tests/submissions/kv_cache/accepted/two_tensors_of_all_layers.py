# verdict: pass
# style: all layers' keys in one tensor (L, B, H, S, D), padded to block_size; the mask hides the rest
import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
    def __init__(self, width, heads, p):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )
        self.p = p

    def split(self, x):
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x, keys, values, hidden, start):
        normed = self.norm1(x)
        end = start + x.shape[1]
        keys, values = keys.clone(), values.clone()
        keys[:, :, start:end] = self.split(self.k(normed))
        values[:, :, start:end] = self.split(self.v(normed))
        y = F.scaled_dot_product_attention(
            self.split(self.q(normed)),
            keys,
            values,
            attn_mask=~hidden,
            dropout_p=self.p if self.training else 0.0,
        )
        y = self.o(y.transpose(1, 2).reshape_as(x))
        x = x + F.dropout(y, self.p, self.training)
        return x + F.dropout(self.mlp(self.norm2(x)), self.p, self.training), keys, values


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.shape = num_layers, num_heads, block_size, embed_dim // num_heads
        self.tokens, self.places = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(Layer(embed_dim, num_heads, dropout_p) for _ in range(num_layers))
        self.norm, self.head = nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size)
        self.p = dropout_p

    def forward(self, idx, cache=None):
        layers, heads, room, size = self.shape
        if cache is None:
            empty = self.places.weight.new_zeros(layers, len(idx), heads, room, size)
            cache = empty, empty, 0
        keys, values, start = cache
        end = start + idx.shape[1]
        if end > room:
            raise ValueError(f"a text of {end} tokens is longer than block_size={room}")
        x = self.tokens(idx) + self.places.weight[start:end]
        x = F.dropout(x, self.p, self.training)
        places = torch.arange(room, device=idx.device)
        hidden = places[None, :] > places[start:end, None]
        new_keys, new_values = [], []
        for layer, k, v in zip(self.layers, keys, values):
            x, k, v = layer(x, k, v, hidden, start)
            new_keys.append(k)
            new_values.append(v)
        return self.head(self.norm(x)), (torch.stack(new_keys), torch.stack(new_values), end)
