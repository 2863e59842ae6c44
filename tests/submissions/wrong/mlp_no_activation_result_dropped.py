# verdict: fail
# part: MLP
# cause: no-activation
# style: F.gelu(h) is computed and its result thrown away
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.query = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.key = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.value = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.out = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.dropatt = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.query(x).view(shape), self.key(x).view(shape), self.value(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.dropatt(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.dropatt(self.out(vec.flatten(2)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.expand = nn.Linear(embed_dim, 4 * embed_dim)
        self.shrink = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.expand(x)
        F.gelu(h)
        h = self.shrink(h)
        return F.dropout(h, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.attn_norm = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp_norm = nn.LayerNorm(embed_dim, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        residual = x
        hidden_states = self.attn_norm(x)
        hidden_states = self.mixer(hidden_states) + residual
        residual = hidden_states
        hidden_states = self.mlp_norm(hidden_states)
        return residual + self.feed_forward(hidden_states)


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

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
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.learned_positions = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.learned_positions, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.encoder = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.learned_positions[:, :n, :])
        return self.head(self.encoder(h))
