# verdict: fail
# part: TransformerBlock
# cause: norm-shared
# style: ModuleList([LayerNorm] * 2) holds one module twice; fused qkv Linear
import math

import torch
import torch.nn.functional as F
from torch import nn


def init_weights(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


def new_gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim)] * 2)
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


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.hd = embed_dim // num_heads
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.resid_drop = nn.Dropout(dropout_p)
        mask = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("tril", mask.view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.to_qkv(x).split(C, dim=2)
        q = q.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        k = k.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        v = v.view(B, T, self.num_heads, self.hd).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(self.hd)
        att = att.masked_fill(self.tril[:, :, :T, :T] == 0, float("-inf"))
        att = self.attn_drop(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_drop(self.to_out(y))


class MLP(nn.Module):
    """The position-wise feed-forward network."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(4 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, 4 * embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = new_gelu(self.c_fc(x))
        h = self.c_proj(h)
        return self.dropout(h)


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList()
        for _ in range(num_layers):
            self.h.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying
        self.apply(init_weights)

    def forward(self, idx):
        T = idx.size(1)
        assert T <= self.block_size, "sequence longer than block_size"
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))[None]
        for blk in self.h:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
