# verdict: fail
# part: GPT2
# cause: position-depends-on-t
# style: positions right-aligned: arange(block_size - T, block_size)
import torch
import torch.nn as nn
import torch.nn.functional as F


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
        layers = []
        for _ in range(num_layers):
            layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.layers = nn.ModuleList(layers)
        self.final_norm = nn.LayerNorm(embed_dim)
        self.output = nn.Linear(embed_dim, vocab_size, bias=False)
        self.block_size = block_size
        self.vocab_size = vocab_size

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx (B, T) -> logits (B, T, vocab_size)"""
        batch, seq_len = idx.shape
        positions = torch.arange(
            self.block_size - seq_len, self.block_size, device=idx.device
        ).unsqueeze(0)
        hidden = self.token_embedding(idx) + self.position_embedding(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = self.final_norm(hidden)
        logits = self.output(hidden)
        return logits


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


class Head(nn.Module):
    """One attention head."""

    def __init__(self, embed_dim, head_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        q, k = self.query(x), self.key(x)
        wei = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        future = torch.triu(torch.ones(T, T, device=x.device), diagonal=1).bool()
        wei = wei.masked_fill(future, float("-inf")).softmax(dim=-1)
        return self.dropout(wei) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        size = embed_dim // num_heads
        self.heads = nn.ModuleList(Head(embed_dim, size, dropout_p) for _ in range(num_heads))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.proj(out))


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
