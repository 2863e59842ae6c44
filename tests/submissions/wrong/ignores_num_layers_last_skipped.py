# verdict: fail
# part: GPT2
# cause: ignores-num-layers
# style: loop over self.trunk[:-1] leaves the last block out of the forward pass
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.W_out = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        pre = x @ self.W_in + self.b_in
        post = 0.5 * pre * (1 + torch.erf(pre / math.sqrt(2)))
        return self.drop(post @ self.W_out + self.b_out)


class Head(nn.Module):
    """One attention head."""

    def __init__(self, embed_dim, head_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        q, k = self.query(x), self.key(x)
        wei = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        future = torch.triu(torch.ones(T, T, device=x.device), diagonal=1).bool()
        wei = wei.masked_fill(future, float("-inf")).softmax(dim=-1)
        return self.dropout(wei) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        size = embed_dim // num_heads
        self.heads = nn.ModuleList(Head(embed_dim, size, dropout_p) for _ in range(num_heads))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.proj(out))


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
        self.n_ctx, self.n_vocab = block_size, vocab_size
        self.W_E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.trunk = nn.ModuleList()
        for _ in range(num_layers):
            self.trunk.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_final = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)
        self.b_U = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        resid = F.embedding(idx, self.W_E) + self.W_pos[:n]
        for block in self.trunk[:-1]:
            resid = block(resid)
        return self.ln_final(resid) @ self.W_U + self.b_U
