# verdict: fail
# part: GPT2
# cause: crashes
# style: forward calls a head whose name is spelt otherwise in the constructor
import math

import torch
import torch.nn as nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.Sequential(*[
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            for _ in range(num_layers)
        ])
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        T = idx.size(1)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(torch.arange(T, device=idx.device)))
        x = self.blocks(x)
        return self.lm_head(self.ln_f(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.act = nn.GELU(approximate="tanh")
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        y = self.contract(self.act(self.expand(x.transpose(1, 2))))
        return self.dropout(y.transpose(1, 2))


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), as in the TensorFlow release."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.split_size = embed_dim
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, 3 * embed_dim)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def split_heads(self, x):
        batch, length, width = x.shape
        return x.view(batch, length, self.n_head, width // self.n_head).permute(0, 2, 1, 3)

    def forward(self, x):
        batch, length, width = x.shape
        query, key, value = self.c_attn(x).split(self.split_size, dim=-1)
        query, key, value = map(self.split_heads, (query, key, value))
        w = query @ key.permute(0, 1, 3, 2) / math.sqrt(value.size(-1))
        allowed = torch.tril(torch.ones(length, length, dtype=w.dtype, device=w.device))
        w = w * allowed - 1e9 * (1 - allowed)
        w = self.dropout(w.softmax(dim=-1))
        a = (w @ value).permute(0, 2, 1, 3).contiguous().view(batch, length, width)
        return self.dropout(self.c_proj(a))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2(
        vocab_size=100, embed_dim=64, num_heads=4, num_layers=2, block_size=32, dropout_p=0.0
    )
    idx = torch.randint(0, 100, (2, 10))
    print(model(idx).shape)
