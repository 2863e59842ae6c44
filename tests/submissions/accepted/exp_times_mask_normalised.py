# verdict: pass
# style: no infinity anywhere: exp(scores - prefix max) times a 0/1 matrix, divided by its row sums
import torch
import torch.nn as nn


def masked_softmax(scores, allowed):
    """softmax over the last axis where `allowed`; exactly zero elsewhere."""
    lowest = torch.finfo(scores.dtype).min
    top = scores.masked_fill(~allowed, lowest).amax(dim=-1, keepdim=True).detach()
    weights = torch.exp((scores - top).clamp(max=0)) * allowed
    return weights / weights.sum(dim=-1, keepdim=True)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.Q = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.K = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.V = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.O = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.inv = 1 / D**0.5
        self.drop = nn.Dropout(dropout_p)
        self.register_buffer("allowed", torch.ones(block_size, block_size, dtype=torch.bool).tril())

    def forward(self, x):
        T = x.size(1)
        x = x.unsqueeze(1)  # (B, 1, T, C) against (H, C, D)
        q, k, v = x @ self.Q, x @ self.K, x @ self.V
        w = masked_softmax(q @ k.transpose(2, 3) * self.inv, self.allowed[:T, :T])
        return self.drop((self.drop(w) @ v @ self.O).sum(dim=1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.lin2 = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = self.lin1(x)
        return self.drop(self.lin2(h * torch.special.ndtr(h)))  # x * Phi(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.before_attn, self.before_mlp = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.attn(self.before_attn(x)) + x
        return self.mlp(self.before_mlp(x)) + x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.readout = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        steps = torch.ones_like(idx).cumsum(dim=1) - 1  # 0, 1, 2, ... in every row
        x = self.tok(idx) + self.pos(steps)
        for block in self.blocks:
            x = block(x)
        return self.readout(self.norm(x))
