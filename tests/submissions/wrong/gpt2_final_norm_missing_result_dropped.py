# verdict: fail
# part: GPT2
# cause: final-norm-missing
# style: calls the final norm but does not keep what it returns
import torch
from torch import Tensor, nn


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
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        x = self.dropout(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, embed_dim)
        self.embed_positions = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.02)
        self.layers = nn.ModuleList([
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ])
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.output_projection = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: Tensor) -> Tensor:
        x = self.embed_tokens(idx) + self.embed_positions[:, : idx.shape[1], :]
        for layer in self.layers:
            x = layer(x)
        self.final_layer_norm(x)
        return self.output_projection(x)
