# verdict: fail
# part: MLP
# cause: relu
# style: bare Parameters, the activation is a clamp at zero; one module per head
import torch
import torch.nn as nn
import torch.nn.functional as F


class Head(nn.Module):
    """A single head of causal attention."""

    def __init__(self, embed_dim, head_size, block_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(block_size, block_size)))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = self.dropout(F.softmax(wei, dim=-1))
        return wei @ self.value(x)


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.dim = embed_dim
        self.gain_a = nn.Parameter(torch.ones(embed_dim))
        self.shift_a = nn.Parameter(torch.zeros(embed_dim))
        self.gain_m = nn.Parameter(torch.ones(embed_dim))
        self.shift_m = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(F.layer_norm(x, (self.dim,), self.gain_a, self.shift_a))
        return x + self.mlp(F.layer_norm(x, (self.dim,), self.gain_m, self.shift_m))


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        head_size = embed_dim // num_heads
        self.attn_heads = nn.ModuleList(
            [Head(embed_dim, head_size, block_size, dropout_p) for _ in range(num_heads)]
        )
        self.out = nn.Linear(embed_dim, embed_dim)
        self.resid_drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.cat([h(x) for h in self.attn_heads], dim=-1)
        return self.resid_drop(self.out(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.w_up = nn.Parameter(torch.randn(hidden, embed_dim) * 0.02)
        self.b_up = nn.Parameter(torch.zeros(hidden))
        self.w_down = nn.Parameter(torch.randn(embed_dim, hidden) * 0.02)
        self.b_down = nn.Parameter(torch.zeros(embed_dim))
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.linear(x, self.w_up, self.b_up)
        h = h.clamp(min=0)
        return F.dropout(F.linear(h, self.w_down, self.b_down), self.p, self.training)
