# verdict: pass
# style: scaled_dot_product_attention with an additive attn_mask; k, q, v, out without biases
import torch
from torch import nn
from torch.nn import functional as F


def causal_mask(n, like):
    """(n, n): 0 on and below the diagonal, -inf above, in the dtype of `like`."""
    mask = torch.zeros(n, n, dtype=like.dtype, device=like.device)
    upper = torch.triu_indices(n, n, offset=1, device=like.device)
    mask[upper[0], upper[1]] = float("-inf")
    return mask


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.nh = num_heads
        self.hd = embed_dim // num_heads
        self.lin_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.lin_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.lin_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.lin_o = nn.Linear(embed_dim, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        shape = (*x.shape[:2], self.nh, self.hd)
        k = self.lin_k(x).view(shape).transpose(1, 2)
        q = self.lin_q(x).view(shape).transpose(1, 2)
        v = self.lin_v(x).view(shape).transpose(1, 2)
        p = self.p if self.training else 0
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=causal_mask(x.shape[1], x), dropout_p=p
        )
        out = self.lin_o(out.transpose(1, 2).reshape(x.shape))
        return F.dropout(out, self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.lin_1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.lin_2 = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        x = self.lin_2(F.gelu(self.lin_1(x), approximate="none"))
        return F.dropout(x, self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.mlp_ln = nn.LayerNorm(embed_dim)
        self.attn_ln = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.attn_ln(x))
        x = x + self.mlp(self.mlp_ln(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.positional_embedding = nn.Parameter(torch.empty(block_size, embed_dim))
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        nn.init.normal_(self.positional_embedding, std=0.01)

    def forward(self, idx):
        x = self.token_embedding(idx) + self.positional_embedding[: idx.shape[-1]]
        for block in self.blocks:
            x = block(x)
        x = self.ln(x)
        return x @ torch.transpose(self.token_embedding.weight, 0, 1)
