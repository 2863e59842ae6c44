# verdict: pass
# style: output projections (and the head) start at zero, so a fresh block is the identity
import torch
import torch.nn as nn
import torch.nn.functional as F


def zero_linear(n_in, n_out, bias=True):
    """A Linear whose weight, and bias if any, start at zero."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.zeros_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.c_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.c_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.c_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.c_proj = zero_linear(embed_dim, embed_dim, bias=False)
        self.dropout_p = dropout_p

    def forward(self, x):
        B, T, C = x.size()
        q = self.c_q(x).view(B, T, self.num_heads, -1)
        k = self.c_k(x).view(B, T, self.num_heads, -1)
        v = self.c_v(x).view(B, T, self.num_heads, -1)
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        y = self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return F.dropout(y, p=self.dropout_p, training=self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.c_proj = zero_linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        x = self.c_proj(F.gelu(self.c_fc(x)))
        return F.dropout(x, p=self.dropout_p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.norm_attn = nn.LayerNorm(embed_dim)
        self.norm_mlp = nn.LayerNorm(embed_dim)

    def forward(self, x):
        x = x + self.attn(self.norm_attn(x))
        x = x + self.mlp(self.norm_mlp(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                norm=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = zero_linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.transformer.wte(idx)
        x = x + self.transformer.wpe(torch.arange(idx.size(1), device=idx.device))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.norm(x))
