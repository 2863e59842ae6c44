# verdict: fail
# part: GPT2
# cause: log-softmax
# style: Generator module returning log-probabilities, as in the Annotated Transformer, by hand
import math
import torch
from torch import nn


class Dense(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.w = nn.Parameter(torch.randn(n_in, n_out) / math.sqrt(n_in))
        self.b = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return torch.matmul(x, self.w) + self.b


class LayerNorm(nn.Module):
    def __init__(self, features, eps=1e-6):
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(features))
        self.b_2 = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        var = centred.pow(2).mean(-1, keepdim=True)
        return self.a_2 * centred / (var + self.eps).sqrt() + self.b_2


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.q, self.k, self.v = (Dense(embed_dim, embed_dim) for _ in range(3))
        self.o = Dense(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (
            f(x).view(B, T, self.h, C // self.h).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        s = q @ k.transpose(-2, -1) / math.sqrt(C // self.h)
        pos = torch.arange(T, device=x.device)
        s = s.masked_fill(pos.view(1, T) > pos.view(T, 1), float("-inf"))
        e = torch.exp(s - s.max(dim=-1, keepdim=True).values)
        p = self.dropout(e / e.sum(dim=-1, keepdim=True))
        return self.o((p @ v).transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_1, self.w_2 = Dense(embed_dim, 4 * embed_dim), Dense(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = self.w_1(x)
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        return self.w_2(self.dropout(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_a, self.norm_f = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm_a(x))
        return x + self.feed(self.norm_f(x))


class Generator(nn.Module):
    def __init__(self, d_model, vocab):
        super().__init__()
        self.proj = Dense(d_model, vocab)

    def forward(self, x):
        return torch.log_softmax(self.proj(x), dim=-1)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = LayerNorm(embed_dim)
        self.generator = Generator(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        return self.generator(self.norm(x))
