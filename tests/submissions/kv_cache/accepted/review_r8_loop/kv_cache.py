# verdict: pass
# style: of a review, r8 loop
"""Reads one token after the other, always. Slow for long beginnings, and simple: no mask at all."""
import torch
from torch import nn


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.bs, self.nh = block_size, num_heads
        self.te = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Embedding(block_size, embed_dim)
        self.dr = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList(
            nn.ModuleDict({
                "ln1": nn.LayerNorm(embed_dim), "qkv": nn.Linear(embed_dim, 3 * embed_dim),
                "out": nn.Linear(embed_dim, embed_dim), "ln2": nn.LayerNorm(embed_dim),
                "fc": nn.Linear(embed_dim, 4 * embed_dim), "pr": nn.Linear(4 * embed_dim, embed_dim),
            }) for _ in range(num_layers))
        self.ln = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def one(self, token, past):  # token (B,), past: list (per token) of lists (per layer) of (k, v)
        B, n = len(token), len(past)
        x = self.dr(self.te(token) + self.pe.weight[n])
        mine = []
        for i, l in enumerate(self.layers):
            q, k, v = l["qkv"](l["ln1"](x)).view(B, 3, self.nh, -1).unbind(1)  # B H D
            mine.append((k, v))
            K = torch.stack([p[i][0] for p in past] + [k], 2)
            V = torch.stack([p[i][1] for p in past] + [v], 2)
            w = ((q[:, :, None] * K).sum(-1) / q.shape[-1] ** 0.5).softmax(-1)
            y = (self.dr(w)[..., None] * V).sum(2).reshape(B, -1)
            x = x + self.dr(l["out"](y))
            x = x + self.dr(l["pr"](nn.functional.gelu(l["fc"](l["ln2"](x)))))
        return self.head(self.ln(x)), past + [mine]

    def forward(self, idx, cache=None):
        past = list(cache) if cache is not None else []
        if len(past) + idx.shape[1] > self.bs:
            raise ValueError(f"more than block_size ({self.bs}) tokens")
        logits = []
        for t in range(idx.shape[1]):
            y, past = self.one(idx[:, t], past)
            logits.append(y)
        return torch.stack(logits, 1), past
