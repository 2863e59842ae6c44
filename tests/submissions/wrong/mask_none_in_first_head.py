# verdict: fail
# part: CausalSelfAttention
# cause: mask-none
# style: masks head by head in a loop over the scores, the loop starts at 1: head 0 sees the future

import torch
import torch.nn as nn
import torch.nn.functional as F


class Conv1D(nn.Module):
    """Linear layer with the weight stored as (in, out), like the OpenAI code."""

    def __init__(self, nx, nf):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.02)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.w_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.w_out = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)
        future = torch.triu(torch.ones(block_size, block_size), diagonal=1).bool()
        self.register_buffer("future", future)

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.num_heads
        q, k, v = torch.split(self.w_qkv(x), C, dim=-1)
        q = q.reshape(B, T, self.num_heads, d).transpose(1, 2)
        k = k.reshape(B, T, self.num_heads, d).transpose(1, 2)
        v = v.reshape(B, T, self.num_heads, d).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)) / d**0.5  # (B, H, T, T)
        for h in range(1, self.num_heads):
            scores[:, h].masked_fill_(self.future[:T, :T], float("-inf"))
        weights = self.dropout(torch.softmax(scores, dim=-1))
        y = (weights @ v).transpose(1, 2).reshape(B, T, C)
        return self.dropout(self.w_out(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(embed_dim, 4 * embed_dim)
        self.c_proj = Conv1D(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.weight1 = nn.Parameter(torch.ones(embed_dim))
        self.bias1 = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.weight2 = nn.Parameter(torch.ones(embed_dim))
        self.bias2 = nn.Parameter(torch.zeros(embed_dim))
        self.mlp = MLP(embed_dim, dropout_p)

    @staticmethod
    def _norm(x, weight, bias):
        centred = x - x.mean(dim=-1, keepdim=True)
        var = x.var(dim=-1, keepdim=True, unbiased=False)
        return centred * torch.rsqrt(var + 1e-5) * weight + bias

    def forward(self, x):
        x = x + self.attn(self._norm(x, self.weight1, self.bias1))
        x = x + self.mlp(self._norm(x, self.weight2, self.bias2))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        blocks = []
        for i in range(num_layers):
            blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.blocks = nn.ModuleList(blocks)
        self.ln_f = LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        tok = self.wte(idx)  # (B, T, C)
        pos = self.wpe(torch.arange(T, device=idx.device))  # (T, C)
        x = tok + pos.unsqueeze(0).expand(B, -1, -1)
        for blk in self.blocks:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
