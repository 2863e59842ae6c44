# verdict: pass
# style: q separate, k and v fused; q and k each scaled by d**-0.25; torch.where with finfo.min
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.num_heads = num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_kv = nn.Linear(embed_dim, embed_dim * 2, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.attn_dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        h = self.num_heads
        d = c // h

        q = self.to_q(x)
        k, v = self.to_kv(x).chunk(2, dim=-1)
        q, k, v = (t.reshape(b, n, h, d).transpose(1, 2) for t in (q, k, v))

        # scaling both sides keeps the product in range in half precision
        quarter = d**-0.25
        sim = torch.einsum("b h i d, b h j d -> b h i j", q * quarter, k * quarter)

        i = torch.arange(n, device=x.device)
        allowed = i[:, None] >= i[None, :]
        sim = torch.where(allowed, sim, torch.finfo(sim.dtype).min)

        attn = self.attn_dropout(sim.softmax(dim=-1))
        out = torch.einsum("b h i j, b h j d -> b h i d", attn, v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, c))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        inner = embed_dim * 4
        self.net = nn.Sequential(
            nn.Linear(embed_dim, inner),
            nn.GELU(),
            nn.Dropout(dropout_p),
            nn.Linear(inner, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class PreNorm(nn.Module):
    """fn(norm(x)), as in the vision-transformer repositories."""

    def __init__(self, dim: int, fn: nn.Module):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn = PreNorm(embed_dim, attn)
        self.ff = PreNorm(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for branch in (self.attn, self.ff):
            x = branch(x) + x
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
    ):
        super().__init__()
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Parameter(torch.randn(1, block_size, embed_dim))
        self.dropout = nn.Dropout(dropout_p)
        self.transformer = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.to_logits = nn.Sequential(
            nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size, bias=False)
        )

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.token_emb(idx)
        x = self.dropout(x + self.pos_embedding[:, : x.shape[1]])
        for block in self.transformer:
            x = block(x)
        return self.to_logits(x)
