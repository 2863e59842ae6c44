# verdict: pass
# style: ex-Google: einsum for every product, 3-D weights named by axis letters (D, N, H, F, V)
import torch
from torch import nn
from torch.nn import functional as F

_K_MASK = -2.3819763e38


def _w(*shape, fan_in):
    return nn.Parameter(torch.randn(*shape) * fan_in**-0.5)


class CausalSelfAttention(nn.Module):
    """B batch, T query time, S key time, D model, N heads, H head dim."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        self.q_einsum = _w(num_heads, embed_dim, head_dim, fan_in=embed_dim)
        self.kv_einsum = _w(2, num_heads, embed_dim, head_dim, fan_in=embed_dim)
        self.out_einsum = _w(num_heads, head_dim, embed_dim, fan_in=embed_dim)
        self.query_pre_attn_scalar = head_dim**-0.5
        self.dropout_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = torch.einsum("BTD,NDH->BTNH", x, self.q_einsum) * self.query_pre_attn_scalar
        k, v = torch.einsum("BSD,CNDH->CBSNH", x, self.kv_einsum)
        logits = torch.einsum("BTNH,BSNH->BTNS", q, k)
        t = torch.arange(x.shape[1], device=x.device)
        visible = torch.einsum("T,S->TS", t + 1, torch.ones_like(t)) > t
        logits = torch.where(visible[None, :, None, :], logits, _K_MASK)
        probs = F.dropout(logits.softmax(-1), self.dropout_p, self.training)
        encoded = torch.einsum("BTNS,BSNH->BTNH", probs, v)
        out = torch.einsum("BTNH,NHD->BTD", encoded, self.out_einsum)
        return F.dropout(out, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.up_einsum = _w(embed_dim, 4 * embed_dim, fan_in=embed_dim)
        self.down_einsum = _w(4 * embed_dim, embed_dim, fan_in=4 * embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.gelu(torch.einsum("BTD,DF->BTF", x, self.up_einsum), approximate="tanh")
        out = torch.einsum("BTF,FD->BTD", h, self.down_einsum)
        return F.dropout(out, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.pre_attention_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.pre_ffw_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.pre_attention_norm(x))
        return x + self.mlp(self.pre_ffw_norm(x))


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
        self.input_embedding = _w(vocab_size, embed_dim, fan_in=embed_dim)
        self.pos_embedding = _w(block_size, embed_dim, fan_in=embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(embed_dim, eps=1e-6)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        one_hot = F.one_hot(idx, self.input_embedding.shape[0]).to(self.input_embedding.dtype)
        x = torch.einsum("BTV,VD->BTD", one_hot, self.input_embedding)
        x = x + self.pos_embedding[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return torch.einsum("BTD,VD->BTV", self.final_norm(x), self.input_embedding)
