# verdict: fail
# part: MLP
# cause: leak-via-sequence-mean
# style: nn.Conv1d of width 3 with padding: sees the next token
import torch
import torch.nn as nn


class LayerNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(self, x):
        mu = x.mean(-1, keepdim=True)
        var = ((x - mu) ** 2).mean(-1, keepdim=True)
        return self.gamma * (x - mu) / torch.sqrt(var + self.eps) + self.beta


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.W_q = nn.Linear(embed_dim, embed_dim)
        self.W_k = nn.Linear(embed_dim, embed_dim)
        self.W_v = nn.Linear(embed_dim, embed_dim)
        self.W_o = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def _split(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q = self._split(self.W_q(x)) * self.head_dim**-0.5
        k = self._split(self.W_k(x))
        v = self._split(self.W_v(x))
        weights = q @ k.mT
        blocked = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        weights = weights.masked_fill(blocked, float("-inf"))
        attn = self.drop(weights.softmax(dim=-1))
        merged = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.W_o(merged)


class MLP(nn.Module):
    """The position-wise feed-forward network."""

    def __init__(
        self,
        embed_dim: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(embed_dim, 4 * embed_dim, kernel_size=3, padding=1)
        self.conv_2 = nn.Conv1d(4 * embed_dim, embed_dim, kernel_size=1)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.transpose(1, 2)  # channels first
        y = self.conv_2(self.act(self.conv_1(y)))
        return self.dropout(y).transpose(1, 2)


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.ff = MLP(embed_dim, dropout_p=dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.attention(self.norm1(x))
        x = x + a
        m = self.ff(self.norm2(x))
        return x + m


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
    ) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.word_embeddings(idx) + self.position_embeddings(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
