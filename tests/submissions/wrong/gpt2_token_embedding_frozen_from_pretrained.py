# verdict: fail
# part: GPT2
# cause: token-embedding-frozen
# style: table made with Embedding.from_pretrained, which freezes unless told not to
import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        batch, length, width = x.shape
        heads = self.num_heads
        size = width // heads
        q = self.query(x).view(batch, length, heads, size) * self.scale
        k, v = self.key_value(x).split(width, dim=-1)
        k = k.reshape(batch, length, heads, size)
        v = v.reshape(batch, length, heads, size)
        logits = torch.einsum("bihd,bjhd->bhij", q, k)
        pos = torch.arange(length, device=x.device)
        logits = logits.masked_fill(pos[None, :] > pos[:, None], float("-inf"))
        attn = self.p_attn(logits.softmax(dim=-1))
        mixed = torch.einsum("bhij,bjhd->bihd", attn, v).reshape(batch, length, width)
        return self.p_out(self.output(mixed))


class MLP(nn.Module):
    """Position-wise feed-forward: C -> 4C -> C."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = 4 * embed_dim
        self.fc1 = nn.Linear(embed_dim, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return F.dropout(x, p=self.p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


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
        # GPT-2 initialises its tables with N(0, 0.02) and N(0, 0.01)
        self.wte = nn.Embedding.from_pretrained(torch.randn(vocab_size, embed_dim) * 0.02)
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: Tensor) -> Tensor:
        x = self.drop(self.wte(idx) + self.wpe[: idx.size(1)])
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
