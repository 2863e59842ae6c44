# verdict: fail
# part: MLP
# cause: leak-via-sequence-mean
# style: hidden units gated by their mean over time, as in SENet
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    """GPT-2: embeddings, blocks, final norm, head."""

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
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        B, T = idx.shape
        pos = torch.arange(T, device=idx.device)
        x = self.drop(self.tok_emb(idx) + self.pos_emb(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


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
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.layers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, layer in zip(self.norms, self.layers):
            x = x + layer(norm(x))
        return x


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

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
        self.squeeze = nn.Linear(embed_dim, 4 * embed_dim)
        self.excite = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.gelu(self.squeeze(x))
        h = h * torch.sigmoid(h.mean(dim=-2, keepdim=True))
        return self.drop(self.excite(h))
