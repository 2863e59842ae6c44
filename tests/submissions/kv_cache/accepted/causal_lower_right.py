# verdict: pass
# style: PyTorch's own causal_lower_right as the mask of scaled_dot_product_attention
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.attention.bias import causal_lower_right


class Attention(nn.Module):
    def __init__(self, width, heads, dropout_p):
        super().__init__()
        self.heads, self.dropout_p = heads, dropout_p
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x, past):
        B, T, C = x.shape
        q, k, v = (
            z.reshape(B, T, self.heads, C // self.heads).transpose(1, 2)
            for z in self.qkv(x).chunk(3, dim=-1)
        )
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=causal_lower_right(T, k.shape[2]),
            dropout_p=self.dropout_p if self.training else 0.0,
        )
        y = self.out(y.transpose(1, 2).reshape(B, T, C))
        return F.dropout(y, self.dropout_p, self.training), (k, v)


class Block(nn.Module):
    def __init__(self, width, heads, dropout_p):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout_p)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout_p),
        )

    def forward(self, x, past):
        y, kept = self.attention(self.first(x), past)
        x = x + y
        return x + self.mlp(self.second(x)), kept


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx, cache=None):
        past = 0 if cache is None else cache[0][0].shape[2]
        end = past + idx.shape[1]
        if end > self.block_size:
            raise ValueError(f"{end} tokens are more than block_size = {self.block_size}")
        x = self.tokens(idx) + self.places(torch.arange(past, end, device=idx.device))
        x = self.dropout(x)
        kept = []
        for number, block in enumerate(self.blocks):
            x, of_block = block(x, None if cache is None else cache[number])
            kept.append(of_block)
        return self.head(self.norm(x)), tuple(kept)
