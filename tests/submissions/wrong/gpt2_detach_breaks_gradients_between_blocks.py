# verdict: fail
# part: GPT2
# cause: detach-breaks-gradients
# style: cuts the graph before every block, only the last one learns from the loss
import torch
import torch.nn.functional as F
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
        N, L, E = x.shape
        H = self.num_heads
        Dh = E // H
        q = self.query(x).view(N, L, H, Dh) * self.scale
        k, v = self.key_value(x).split(E, dim=-1)
        k = k.reshape(N, L, H, Dh)
        v = v.reshape(N, L, H, Dh)
        logits = torch.einsum("bihd,bjhd->bhij", q, k)
        pos = torch.arange(L, device=x.device)
        logits = logits.masked_fill(pos[None, :] > pos[:, None], float("-inf"))
        attn = self.p_attn(logits.softmax(dim=-1))
        mixed = torch.einsum("bhij,bjhd->bihd", attn, v).reshape(N, L, E)
        return self.p_out(self.output(mixed))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(x @ self.w1 + self.b1)
        return self.dropout(hidden @ self.w2 + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=dropout_p)
        self.mlp = MLP(embed_dim, dropout_p=dropout_p)
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.g1, self.b1))
        x = x + self.mlp(F.layer_norm(x, shape, self.g2, self.b2))
        return x


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
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.blocks:
            x = block(x.data)
        return self.lm_head(self.ln_f(x))
