# verdict: fail
# part: TransformerBlock
# cause: post-norm
# style: Annotated Transformer as in the 2017 paper: LayerNorm(x + Sublayer(x)), clones, attention()
import copy
import math
import torch
import torch.nn as nn


def clones(module, N):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(N)])


def attention(query, key, value, mask, dropout):
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
    scores = scores.masked_fill(mask == 0, -1e9)
    return torch.matmul(dropout(scores.softmax(dim=-1)), value)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.d_k = num_heads, embed_dim // num_heads
        self.linears = clones(nn.Linear(embed_dim, embed_dim), 4)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x):
        nbatches, size = x.size(0), x.size(1)
        mask = torch.triu(torch.ones(1, 1, size, size, device=x.device), diagonal=1) == 0
        query, key, value = [
            lin(x).view(nbatches, -1, self.h, self.d_k).transpose(1, 2) for lin in self.linears[:3]
        ]
        x = attention(query, key, value, mask, self.dropout)
        x = x.transpose(1, 2).contiguous().view(nbatches, -1, self.h * self.d_k)
        return self.linears[-1](x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.w_2(self.dropout(torch.nn.functional.gelu(self.w_1(x))))


class SublayerConnection(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return self.norm(x + self.dropout(sublayer(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.sublayer = clones(SublayerConnection(embed_dim, dropout_p), 2)

    def forward(self, x):
        x = self.sublayer[0](x, self.self_attn)
        return self.sublayer[1](x, self.feed_forward)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.lut = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Embedding(block_size, embed_dim)
        self.layers = clones(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p), num_layers
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.generator = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.lut(idx) + self.pe(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        return self.generator(self.norm(x))
