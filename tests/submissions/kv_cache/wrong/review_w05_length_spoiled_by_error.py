# verdict: fail
# part: Pieces
# cause: crashes
# style: of a review, kv cache
import torch
from torch import nn
import torch.nn.functional as F
from gpt2 import GPT2


class CachedGPT2(nn.Module):
    """Has a GPT2 rather than being one. The cache is a dict."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.gpt = GPT2(vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p)

    def forward(self, idx, cache=None):
        g = self.gpt
        pos = cache["pos"] if cache else 0
        T = idx.shape[-1]
        if cache:
            cache["pos"] = pos + T
        try:
            x = g.wpe(torch.arange(pos, pos + T))
        except IndexError:
            raise ValueError(f"block_size is {g.n_ctx}; {pos}+{T} tokens are too many") from None
        x = g.drop(x + g.wte(idx))
        presents = {}
        for i, block in enumerate(g.h):
            x, presents[i] = block(x, cache[i] if cache else None, use_cache=True)
        if cache:
            cache["pos"] = pos
        return F.linear(g.ln_f(x), g.wte.weight), {**presents, "pos": pos + T}
