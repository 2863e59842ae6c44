# verdict: pass
# style: nn.ParameterList with one (C, 3D) matrix per head, output matrix transposed
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.d = embed_dim // num_heads
        self.per_head = nn.ParameterList(
            [torch.randn(embed_dim, 3 * self.d) * embed_dim**-0.5 for _ in range(num_heads)]
        )
        self.mix = nn.Parameter(torch.randn(embed_dim, embed_dim) * embed_dim**-0.5)
        self.mix_bias = nn.Parameter(torch.zeros(embed_dim))
        self.p = dropout_p

    def head(self, x, w):
        q, k, v = torch.split(x @ w, self.d, dim=-1)
        s = q @ k.mT
        n = s.size(-1)
        i, j = torch.triu_indices(n, n, offset=1, device=s.device)
        s = s.index_put(
            (torch.arange(s.size(0), device=s.device)[:, None], i, j), s.new_full((), float("-inf"))
        )
        w = F.softmax(s / self.d**0.5, dim=-1)
        return F.dropout(w, self.p, self.training) @ v

    def forward(self, x):
        y = torch.cat([self.head(x, w) for w in self.per_head], dim=-1)
        return F.dropout(y @ self.mix.T + self.mix_bias, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layers = nn.ParameterList(
            [
                torch.randn(embed_dim, 4 * embed_dim) * embed_dim**-0.5,
                torch.zeros(4 * embed_dim),
                torch.randn(4 * embed_dim, embed_dim) * embed_dim**-0.5,
                torch.zeros(embed_dim),
            ]
        )
        self.p = dropout_p

    def forward(self, x):
        w1, b1, w2, b2 = self.layers
        return F.dropout(F.gelu(x @ w1 + b1) @ w2 + b2, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class TiedHead(nn.Module):
    """Holds the embedding module itself (a shared child), so the weight is always the same."""

    def __init__(self, embedding, vocab_size):
        super().__init__()
        self.embedding = embedding
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, x):
        return F.linear(x, self.embedding.weight, self.bias)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim, eps=1e-6)
        self.head = TiedHead(self.wte, vocab_size)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln_f(x))
