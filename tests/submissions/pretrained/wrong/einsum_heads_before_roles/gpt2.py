import torch as t
from torch import Tensor, nn


class LayerNorm(nn.Module):
    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(t.ones(d_model))
        self.b = nn.Parameter(t.zeros(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        mean = residual.mean(dim=-1, keepdim=True)
        std = (residual.var(dim=-1, keepdim=True, unbiased=False) + self.eps).sqrt()
        return (residual - mean) / std * self.w + self.b


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        d_head = embed_dim // num_heads
        self.d_head = d_head
        self.W_Q = nn.Parameter(t.empty(num_heads, embed_dim, d_head))
        self.W_K = nn.Parameter(t.empty(num_heads, embed_dim, d_head))
        self.W_V = nn.Parameter(t.empty(num_heads, embed_dim, d_head))
        self.W_O = nn.Parameter(t.empty(num_heads, d_head, embed_dim))
        self.b_Q = nn.Parameter(t.zeros(num_heads, d_head))
        self.b_K = nn.Parameter(t.zeros(num_heads, d_head))
        self.b_V = nn.Parameter(t.zeros(num_heads, d_head))
        self.b_O = nn.Parameter(t.zeros(embed_dim))
        for weight in (self.W_Q, self.W_K, self.W_V, self.W_O):
            nn.init.normal_(weight, std=0.02)
        self.register_buffer("IGNORE", t.tensor(float("-inf")))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        q = t.einsum("bpc,hcd->bphd", x, self.W_Q) + self.b_Q
        k = t.einsum("bpc,hcd->bphd", x, self.W_K) + self.b_K
        v = t.einsum("bpc,hcd->bphd", x, self.W_V) + self.b_V

        attn_scores = t.einsum("bqhd,bkhd->bhqk", q, k)
        pattern = self.apply_causal_mask(attn_scores / self.d_head**0.5).softmax(-1)
        z = t.einsum("bkhd,bhqk->bqhd", v, self.drop(pattern))
        return self.drop(t.einsum("bqhd,hdc->bqc", z, self.W_O) + self.b_O)

    def apply_causal_mask(self, attn_scores: Tensor) -> Tensor:
        """Hides the keys to the right of each query. attn_scores: (batch, head, query, key)"""
        all_ones = t.ones(attn_scores.size(-2), attn_scores.size(-1), device=attn_scores.device)
        mask = t.triu(all_ones, diagonal=1).bool()
        return attn_scores.masked_fill(mask, self.IGNORE)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        d_mlp = 4 * embed_dim
        self.W_in = nn.Parameter(t.randn(embed_dim, d_mlp) * 0.02)
        self.W_out = nn.Parameter(t.randn(d_mlp, embed_dim) * 0.02)
        self.b_in = nn.Parameter(t.zeros(d_mlp))
        self.b_out = nn.Parameter(t.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        pre = t.einsum("bpc,cm->bpm", x, self.W_in) + self.b_in
        post = nn.functional.gelu(pre, approximate="tanh")
        return self.drop(t.einsum("bpm,mc->bpc", post, self.W_out) + self.b_out)


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.ln1 = LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, resid_pre: Tensor) -> Tensor:
        resid_mid = self.attn(self.ln1(resid_pre)) + resid_pre
        resid_post = self.mlp(self.ln2(resid_mid)) + resid_mid
        return resid_post


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
        self.W_E = nn.Parameter(t.randn(vocab_size, embed_dim) * 0.02)
        self.W_pos = nn.Parameter(t.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_final = LayerNorm(embed_dim)
        self.W_U = nn.Parameter(t.randn(embed_dim, vocab_size) * 0.02)
        self.b_U = nn.Parameter(t.zeros(vocab_size))

    def forward(self, idx: Tensor) -> Tensor:
        residual = self.W_E[idx] + self.W_pos[: idx.shape[-1]]
        for block in self.blocks:
            residual = block(residual)
        return t.einsum("bpc,cv->bpv", self.ln_final(residual), self.W_U) + self.b_U
