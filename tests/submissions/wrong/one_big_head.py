# verdict: fail
# part: CausalSelfAttention
# cause: heads-not-split
# style: num_heads serves the scale only; one attention over the whole width, SDPA with scale=
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.head_dim = embed_dim // num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        q, k, v = self.in_proj(x).chunk(3, dim=-1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.head_dim**-0.5)
        return F.dropout(self.out_proj(y), self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        y = self.lin2(F.gelu(self.lin1(x), approximate="tanh"))
        return F.dropout(y, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def _sa(self, x):
        return self.self_attn(self.norm1(x))

    def _ff(self, x):
        return self.feed_forward(self.norm2(x))

    def forward(self, x):
        x = x + self._sa(x)
        return x + self._ff(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.decoder = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device)
        x = self.drop(self.tok(idx) + self.pos(pos))
        for layer in self.decoder:
            x = layer(x)
        return self.head(self.norm(x))
