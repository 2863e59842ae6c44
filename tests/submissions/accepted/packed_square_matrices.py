# verdict: pass
# style: q, k, v, o in one (4, C, C) Parameter in the order o, v, k, q; MLP in one (2, C, 4C)
import torch
from torch import nn
from torch.nn.functional import dropout, gelu, layer_norm


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.W = nn.Parameter(torch.randn(4, embed_dim, embed_dim) / embed_dim**0.5)
        self.num_heads, self.dropout_p = num_heads, dropout_p
        blocked = torch.ones(block_size, block_size, dtype=torch.bool).tril().logical_not()
        self.register_buffer("blocked", blocked[None], persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        H = self.num_heads
        Wo, Wv, Wk, Wq = self.W
        # heads into the batch dimension: (B*H, T, C/H)
        q, k, v = (
            (x @ w).reshape(B, T, H, C // H).transpose(1, 2).reshape(B * H, T, C // H)
            for w in (Wq, Wk, Wv)
        )
        scores = torch.bmm(q, k.mT) * (C // H) ** -0.5
        scores = scores.masked_fill(self.blocked[:, :T, :T], -torch.inf)
        y = torch.bmm(scores.softmax(2), v)
        y = y.reshape(B, H, T, C // H).transpose(1, 2).reshape(B, T, C)
        return dropout(y @ Wo, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W = nn.Parameter(torch.randn(2, embed_dim, 4 * embed_dim) / embed_dim**0.5)
        self.dropout_p = dropout_p

    def forward(self, x):
        up, down = self.W
        return dropout(gelu(x @ up) @ down.T, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2, embed_dim))
        self.shift = nn.Parameter(torch.zeros(2, embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        for sub, g, b in zip((self.attn, self.mlp), self.scale, self.shift):
            x = x + sub(layer_norm(x, x.shape[-1:], g, b, 1e-5))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.dropout_p = dropout_p
        self.E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)
        self.blocks = nn.ModuleList()
        while len(self.blocks) < num_layers:
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = dropout(self.E[idx] + self.P[: idx.size(1)], self.dropout_p, self.training)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.U
