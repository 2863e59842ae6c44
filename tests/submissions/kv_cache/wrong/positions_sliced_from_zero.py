# verdict: fail
# part: Pieces
# cause: position-not-offset
# style: SDPA and a dict, the table sliced from the front
import torch
import torch.nn.functional as F
from torch import nn


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.block_size, self.p = num_heads, block_size, dropout_p
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            nn.ModuleDict({
                "ln1": nn.LayerNorm(embed_dim),
                "kv": nn.Linear(embed_dim, 2 * embed_dim, bias=False),
                "q": nn.Linear(embed_dim, embed_dim, bias=False),
                "o": nn.Linear(embed_dim, embed_dim),
                "ln2": nn.LayerNorm(embed_dim),
                "up": nn.Linear(embed_dim, 4 * embed_dim),
                "down": nn.Linear(4 * embed_dim, embed_dim),
            })
            for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def drop(self, x):
        return F.dropout(x, self.p, self.training)

    def forward(self, idx, cache=None):
        cache = cache if cache is not None else {"length": 0}
        past, new = cache["length"], idx.shape[1]
        if past + new > self.block_size:
            raise ValueError(f"{past + new} > block_size ({self.block_size})")
        out = {"length": past + new}
        x = self.drop(self.tok(idx) + self.pos.weight[:new])
        for number, m in enumerate(self.layers):
            h = m["ln1"](x)
            q = self.split(m["q"](h))
            k, v = (self.split(z) for z in m["kv"](h).chunk(2, -1))
            if past:
                k = torch.cat([cache[number, "k"], k], 2)
                v = torch.cat([cache[number, "v"], v], 2)
            out[number, "k"], out[number, "v"] = k, v
            p = self.p if self.training else 0.0
            if past == 0:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
            elif new == 1:
                y = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
            else:
                mask = torch.ones(new, past + new, dtype=torch.bool, device=idx.device).tril(past)
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
            x = x + self.drop(m["o"](y.transpose(1, 2).flatten(2)))
            x = x + self.drop(m["down"](F.gelu(m["up"](m["ln2"](x)))))
        return self.head(self.ln(x)), out

    def split(self, z):
        return z.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
