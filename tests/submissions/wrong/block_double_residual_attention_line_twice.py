# verdict: fail
# part: TransformerBlock
# cause: double-residual
# style: a pasted line runs attention and its skip twice; q alone and kv together, additive mask
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.kv_proj = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.proj = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        d = c // self.heads
        q = self.q_proj(x).reshape(b, n, self.heads, d).movedim(2, 1)
        k, v = self.kv_proj(x).reshape(b, n, 2, self.heads, d).permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(2, 3)) / d**0.5
        neg = torch.full((n, n), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        attn = self.drop(torch.softmax(dots + neg, dim=3))
        out = torch.matmul(attn, v).movedim(1, 2).reshape(b, n, c)
        return self.proj(out)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        width = embed_dim * 4
        self.win = nn.Parameter(torch.randn(embed_dim, width) * 0.02)
        self.bin = nn.Parameter(torch.zeros(width))
        self.wout = nn.Parameter(torch.randn(width, embed_dim) * 0.02)
        self.bout = nn.Parameter(torch.zeros(embed_dim))
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.gelu(x @ self.win + self.bin) @ self.wout + self.bout
        return F.dropout(y, p=self.p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
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
