# verdict: fail
# part: GPT2
# cause: blocks-shared
# style: ModuleList holding the same block object num_layers times
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.scale = d**-0.5
        self.W_Q = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_K = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_V = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.b_O = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("btc,hcd->bhtd", x, self.W_Q) * self.scale
        k = torch.einsum("btc,hcd->bhtd", x, self.W_K)
        v = torch.einsum("btc,hcd->bhtd", x, self.W_V)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k)
        t = torch.arange(x.shape[1], device=x.device)
        scores = torch.where(t[:, None] >= t[None, :], scores, torch.finfo(x.dtype).min)
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bhqk,bhkd->bhqd", pattern, v)
        return self.drop(torch.einsum("bhqd,hdc->bqc", z, self.W_O) + self.b_O)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.act(x)
        x = self.c_proj(x)
        return self.dropout(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.gains = nn.Parameter(torch.ones(2, embed_dim))
        self.shifts = nn.Parameter(torch.zeros(2, embed_dim))
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def norm(self, x, i):
        return F.layer_norm(x, x.shape[-1:], self.gains[i], self.shifts[i])

    def forward(self, x):
        x = x + self.mixer(self.norm(x, 0))
        return x + self.ffn(self.norm(x, 1))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.layers = nn.ModuleList([block for _ in range(num_layers)])
        self.final_norm = nn.LayerNorm(embed_dim)
        self.output = nn.Linear(embed_dim, vocab_size, bias=False)
        self.block_size = block_size
        self.vocab_size = vocab_size

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx (B, T) -> logits (B, T, vocab_size)"""
        batch, seq_len = idx.shape
        positions = torch.arange(seq_len, device=idx.device).unsqueeze(0)
        hidden = self.token_embedding(idx) + self.position_embedding(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = self.final_norm(hidden)
        logits = self.output(hidden)
        return logits
