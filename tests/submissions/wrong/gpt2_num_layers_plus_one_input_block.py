# verdict: fail
# part: GPT2
# cause: num-layers-plus-one
# style: an input block before the num_layers blocks of the stack; tied head
import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.scale = (embed_dim // num_heads) ** -0.5
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.p_attn = nn.Dropout(dropout_p)
        self.p_out = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, c = x.shape
        h = self.num_heads
        d = c // h
        q = self.query(x).view(b, t, h, d) * self.scale
        k, v = self.key_value(x).split(c, dim=-1)
        k = k.reshape(b, t, h, d)
        v = v.reshape(b, t, h, d)
        logits = torch.einsum("bihd,bjhd->bhij", q, k)
        pos = torch.arange(t, device=x.device)
        logits = logits.masked_fill(pos[None, :] > pos[:, None], float("-inf"))
        attn = self.p_attn(logits.softmax(dim=-1))
        mixed = torch.einsum("bhij,bjhd->bihd", attn, v).reshape(b, t, c)
        return self.p_out(self.output(mixed))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.act = nn.GELU(approximate="tanh")
        self.contract = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        y = self.contract(self.act(self.expand(x.transpose(1, 2))))
        return self.dropout(y.transpose(1, 2))


class TransformerBlock(nn.Module):
    """Pre-norm residual block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.norm1(x))
        return h + self.feed_forward(self.norm2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        args = (embed_dim, num_heads, block_size, dropout_p)
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.first = TransformerBlock(*args)
        self.rest = nn.ModuleList([TransformerBlock(*args) for _ in range(num_layers)])
        self.ln_f = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        n = idx.size(1)
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(n, device=idx.device)))
        x = self.first(x)
        for block in self.rest:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.t()
