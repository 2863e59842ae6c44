# verdict: pass
# style: a base of separate projections and untied head; the cached model holds a GPT2 and walks its modules
import torch
from torch import nn

from gpt2 import GPT2


class Past:
    def __init__(self, pairs=()):
        self.pairs = tuple(pairs)

    @property
    def length(self):
        return self.pairs[0][0].shape[2] if self.pairs else 0


class CachedGPT2(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.model = GPT2(*args, **kwargs)

    def forward(self, idx, cache=None):
        m, past = self.model, cache if cache is not None else Past()
        places = range(past.length, past.length + idx.shape[1])
        if places.stop > m.pos.num_embeddings:
            raise ValueError("past and new tokens are more than block_size")
        x = m.tok(idx) + m.pos(torch.tensor(list(places)))
        pairs = []
        for i, block in enumerate(m.blocks):
            h = block.n1(x)
            q, k, v = (block.attn.heads(f(h)) for f in (block.attn.to_q, block.attn.to_k, block.attn.to_v))
            if past.pairs:
                k, v = (torch.cat(z, 2) for z in zip(past.pairs[i], (k, v)))
            pairs.append((k, v))
            x = x + block.attn.mix(q, k, v)
            x = x + block.mlp(block.n2(x))
        return m.end(x), Past(pairs)
