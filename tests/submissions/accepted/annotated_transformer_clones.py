# verdict: pass
# style: Annotated Transformer: clones(), attention(), SublayerConnection, subsequent_mask
import copy
import math
import torch
import torch.nn as nn


def clones(module, N):
    "Produce N identical layers."
    return nn.ModuleList([copy.deepcopy(module) for _ in range(N)])


def subsequent_mask(size, device):
    "Mask out subsequent positions."
    attn_shape = (1, size, size)
    return torch.triu(torch.ones(attn_shape, device=device), diagonal=1).type(torch.uint8) == 0


def attention(query, key, value, mask=None, dropout=None):
    "Compute 'Scaled Dot Product Attention'"
    d_k = query.size(-1)
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = scores.softmax(dim=-1)
    if dropout is not None:
        p_attn = dropout(p_attn)
    return torch.matmul(p_attn, value), p_attn


class LayerNorm(nn.Module):
    def __init__(self, features, eps=1e-6):
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(features))
        self.b_2 = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        return self.a_2 * (x - mean) / torch.sqrt(var + self.eps) + self.b_2


class SublayerConnection(nn.Module):
    def __init__(self, size, dropout):
        super().__init__()
        self.norm = LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, sublayer):
        return x + self.dropout(sublayer(self.norm(x)))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.d_k = embed_dim // num_heads
        self.h = num_heads
        self.linears = clones(nn.Linear(embed_dim, embed_dim), 4)
        self.dropout = nn.Dropout(p=dropout_p)

    def forward(self, x):
        nbatches = x.size(0)
        mask = subsequent_mask(x.size(1), x.device).unsqueeze(1)
        query, key, value = [
            lin(t).view(nbatches, -1, self.h, self.d_k).transpose(1, 2)
            for lin, t in zip(self.linears, (x, x, x))
        ]
        x, _ = attention(query, key, value, mask=mask, dropout=self.dropout)
        x = x.transpose(1, 2).contiguous().view(nbatches, -1, self.h * self.d_k)
        return self.linears[-1](x)


class MLP(nn.Module):
    "Position-wise feed-forward."

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.w_2(self.dropout(nn.functional.gelu(self.w_1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.sublayer = clones(SublayerConnection(embed_dim, dropout_p), 2)

    def forward(self, x):
        x = self.sublayer[0](x, lambda y: self.self_attn(y))
        return self.sublayer[1](x, self.feed_forward)


class Generator(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.proj = nn.Linear(d_model, vocab)

    def forward(self, x):
        return self.proj(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.lut = nn.Embedding(vocab_size, embed_dim)
        self.pe = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.layers = clones(block, num_layers)
        self.norm = LayerNorm(embed_dim)
        self.generator = Generator(embed_dim, vocab_size)

    def forward(self, idx):
        positions = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        x = self.dropout(self.lut(idx) + self.pe(positions))
        for layer in self.layers:
            x = layer(x)
        return self.generator(self.norm(x))
