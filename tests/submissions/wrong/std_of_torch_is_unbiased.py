# verdict: fail
# part: TransformerBlock
# cause: layernorm-unbiased-variance
# style: norm by hand with x.std(), which divides by n - 1; a function with two Parameters
import torch
import torch.nn as nn


def normalise(x, gain, shift, eps=1e-5):
    mean = x.mean(dim=-1, keepdim=True)
    std = x.std(dim=-1, keepdim=True)
    return gain * (x - mean) / (std**2 + eps).sqrt() + shift


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.nh = num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        minus = torch.zeros(block_size, block_size)
        minus[torch.triu_indices(block_size, block_size, 1).unbind()] = float("-inf")
        self.register_buffer("minus", minus)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = torch.split(self.in_proj(x), C, dim=2)
        q = q.view(B, T, self.nh, C // self.nh).permute(0, 2, 1, 3)
        k = k.view(B, T, self.nh, C // self.nh).permute(0, 2, 3, 1)
        v = v.view(B, T, self.nh, C // self.nh).permute(0, 2, 1, 3)
        scores = q.matmul(k).div((C // self.nh) ** 0.5).add(self.minus[:T, :T])
        y = self.drop(scores.softmax(dim=-1)).matmul(v)
        return self.drop(self.out_proj(y.permute(0, 2, 1, 3).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.inner = nn.Linear(embed_dim, 4 * embed_dim)
        self.outer = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = self.inner(x)
        h = h * 0.5 * (1.0 + torch.erf(h / 2**0.5))
        return self.drop(self.outer(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.gain1 = nn.Parameter(torch.ones(embed_dim))
        self.shift1 = nn.Parameter(torch.zeros(embed_dim))
        self.gain2 = nn.Parameter(torch.ones(embed_dim))
        self.shift2 = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(normalise(x, self.gain1, self.shift1))
        x = x + self.mlp(normalise(x, self.gain2, self.shift2))
        return x


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
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
