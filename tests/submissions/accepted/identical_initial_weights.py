# verdict: pass
# style: every matrix starts at the same constant 0.02, and the blocks are deep copies of one block
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def linear(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.constant_(layer.weight, 0.02)
    nn.init.constant_(layer.bias, 0.0)
    return layer


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H = num_heads
        self.D = embed_dim // num_heads
        self.Q, self.K, self.V, self.O = (linear(embed_dim, embed_dim) for _ in range(4))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (
            f(x).view(B, T, self.H, self.D).permute(0, 2, 1, 3) for f in (self.Q, self.K, self.V)
        )
        scores = (q @ k.permute(0, 1, 3, 2)) * (1 / self.D**0.5)
        # a -1e9 above the diagonal is as good as minus infinity
        penalty = torch.ones(T, T, dtype=scores.dtype, device=x.device).triu(1) * -1e9
        attn = F.softmax(scores + penalty, dim=-1)
        y = (self.drop(attn) @ v).permute(0, 2, 1, 3).reshape(B, T, C)
        return self.drop(self.O(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = linear(embed_dim, 4 * embed_dim)
        self.down = linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.attn_ln = nn.LayerNorm(embed_dim)
        self.mlp_ln = copy.deepcopy(self.attn_ln)

    def forward(self, x):
        x = x + self.attn(self.attn_ln(x))
        x = x + self.mlp(self.mlp_ln(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        nn.init.constant_(self.tok.weight, 0.02)
        nn.init.constant_(self.pos.weight, 0.02)
        block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.blocks = nn.ModuleList([copy.deepcopy(block) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
