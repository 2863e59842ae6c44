# verdict: fail
# part: TransformerBlock
# cause: residual-from-normed
# style: x = ln_1(x) overwrites the stream, so the residual adds the normed x; tensordot attention
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.W = nn.Parameter(torch.randn(embed_dim, 3, num_heads, d) / embed_dim**0.5)
        self.O = nn.Parameter(torch.randn(num_heads, d, embed_dim) / embed_dim**0.5)
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("tri", torch.ones(block_size, block_size).tril())

    def forward(self, x):
        T = x.size(1)
        q, k, v = torch.tensordot(x, self.W, dims=1).permute(2, 0, 3, 1, 4)
        a = torch.matmul(q, k.transpose(2, 3)) / self.W.size(3) ** 0.5
        a = self.drop(a.masked_fill(self.tri[:T, :T] == 0, float("-inf")).softmax(3))
        y = torch.matmul(a, v)
        return self.drop(torch.tensordot(y, self.O, dims=([1, 3], [0, 1])))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.A = nn.Linear(embed_dim, 4 * embed_dim)
        self.B = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.B(F.gelu(self.A(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.ln_1(x)
        x = x + self.attn(x)
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.place = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.02)
        self.stack = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.V = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        x = self.token(idx) + self.place.narrow(1, 0, idx.size(1))
        for layer in self.stack:
            x = layer(x)
        return torch.tensordot(self.ln_f(x), self.V, dims=1)
