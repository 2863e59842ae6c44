# verdict: fail
# part: Pieces
# cause: mask-missing-with-a-past
# style: SDPA, the mask left out with a past
import torch
import torch.nn as nn
import torch.nn.functional as F


class Store:
    """Keys and values of one text and of what goes on from it, with how far it is filled."""

    def __init__(self, buffer, filled=0):
        self.buffer = buffer  # (L, 2, B, H, N, D)
        self.filled = filled

    def claim(self, length, more):
        """A store whose rows from `length` on are free to be written."""
        if self.filled == length:
            self.filled = length + more
            return self
        return Store(self.buffer.clone(), length + more)


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.H, self.N, self.L = num_heads, block_size, num_layers
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pe, std=0.02)
        self.qkv = nn.ModuleList(nn.Linear(embed_dim, 3 * embed_dim) for _ in range(num_layers))
        self.proj = nn.ModuleList(nn.Linear(embed_dim, embed_dim) for _ in range(num_layers))
        self.fc = nn.ModuleList(nn.Linear(embed_dim, 4 * embed_dim) for _ in range(num_layers))
        self.fc2 = nn.ModuleList(nn.Linear(4 * embed_dim, embed_dim) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim) for _ in range(2 * num_layers + 1))
        self.do = nn.Dropout(dropout_p)

    def forward(self, idx, cache=None):
        B, T = idx.shape
        C = self.emb.embedding_dim
        if cache is None:
            zeros = torch.zeros(self.L, 2, B, self.H, self.N, C // self.H, dtype=self.emb.weight.dtype, device=idx.device)
            cache = (Store(zeros), 0)
        store, P = cache
        if P + T > self.N:
            raise ValueError(f"block_size is {self.N}: no room for {T} tokens after {P}")
        store = store.claim(P, T)
        x = self.do(self.emb(idx) + self.pe[:, P:P + T])
        for i in range(self.L):
            q, k, v = self.qkv[i](self.norms[2 * i](x)).view(B, T, 3, self.H, -1).permute(2, 0, 3, 1, 4)
            store.buffer[i, 0, :, :, P:P + T] = k
            store.buffer[i, 1, :, :, P:P + T] = v
            K, V = store.buffer[i, :, :, :, :P + T]
            mask = torch.ones(T, P + T, dtype=torch.bool, device=x.device).tril(P)
            y = F.scaled_dot_product_attention(q, K, V, attn_mask=None if P else mask)
            x = x + self.do(self.proj[i](y.transpose(1, 2).reshape(B, T, C)))
            x = x + self.do(self.fc2[i](F.gelu(self.fc[i](self.norms[2 * i + 1](x)))))
        return F.linear(self.norms[-1](x), self.emb.weight), (store, P + T)
