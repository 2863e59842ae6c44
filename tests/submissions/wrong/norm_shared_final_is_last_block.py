# verdict: fail
# part: GPT2
# cause: norm-shared
# style: the final norm is the second norm object of the last block
import math
import torch
import torch.nn as nn


class Conv1D(nn.Module):
    """Linear layer with the weight stored (in, out), as in the released GPT-2."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Conv1D(embed_dim, 3 * embed_dim)
        self.out = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        mask = torch.full((block_size, block_size), -1e9).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        scores = q @ k.mT / math.sqrt(q.shape[-1]) + self.mask[:T, :T]
        probs = self.dropout(torch.softmax(scores, -1))
        return self.dropout(self.out((probs @ v).permute(0, 2, 1, 3).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm block: two sublayers, each on a residual branch."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = self.blocks[-1].norms[1]
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tok_emb(idx) + self.pos_emb[:T]
        x = self.blocks(x)
        return self.head(self.norm(x))
