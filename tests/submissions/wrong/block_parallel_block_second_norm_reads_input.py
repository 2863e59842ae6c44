# verdict: fail
# part: TransformerBlock
# cause: parallel-block
# style: ln2 is given x where the middle stream belongs; heads left in third place, never transposed
import torch
import torch.nn.functional as F
from torch import nn


class TransformerBlock(nn.Module):
    """Attention and MLP, each with its norm and residual."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x1 = x + self.attn(self.ln1(x))
        x2 = x1 + self.mlp(self.ln2(x))
        return x2


class CausalSelfAttention(nn.Module):
    """Multi-head attention that looks only backwards."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.Wq = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wk = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wv = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wo = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x):
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.Wq(x).view(shape), self.Wk(x).view(shape), self.Wv(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.drop(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.drop(self.Wo(vec.flatten(2)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.mlp(x)


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.W_E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.W_P = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = F.embedding(idx, self.W_E) + self.W_P[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.W_E)  # the head shares the embedding matrix
