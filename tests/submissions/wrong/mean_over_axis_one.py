# verdict: fail
# part: TransformerBlock
# cause: layernorm-over-time
# style: functional norm whose statistics run over dim=1, the time axis; flat weights and F.linear
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * embed_dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(4 * embed_dim))
        self.num_heads, self.drop = num_heads, nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        qkv = F.linear(x, self.weight[: 3 * C], self.bias[: 3 * C])
        q, k, v = qkv.view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        s = q @ k.transpose(-2, -1) / (C // self.num_heads) ** 0.5
        s = s + torch.full_like(s, -torch.inf).triu(1)
        y = (self.drop(F.softmax(s, -1)) @ v).transpose(1, 2).reshape(B, T, C)
        return self.drop(F.linear(y, self.weight[3 * C :], self.bias[3 * C :]))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 4 * embed_dim, embed_dim) * embed_dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(4 * embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        up, down = self.weight
        return self.drop(F.gelu(F.linear(x, up, self.bias)) @ down)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2, embed_dim))
        self.shift = nn.Parameter(torch.zeros(2, embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def norm(self, x, i, axis=1):
        mu = x.mean(dim=axis, keepdim=True)
        var = x.var(dim=axis, keepdim=True, correction=0)
        return self.scale[i] * (x - mu) / torch.sqrt(var + 1e-5) + self.shift[i]

    def forward(self, x):
        x = x + self.attn(self.norm(x, 0))
        return x + self.mlp(self.norm(x, 1))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.tok[idx] + self.pos[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.tok)
