from collections import OrderedDict

import torch
from torch import nn


class LayerNorm(nn.LayerNorm):
    """Subclass torch's LayerNorm to handle fp16."""

    def forward(self, x: torch.Tensor):
        orig_type = x.dtype
        ret = nn.functional.layer_norm(
            x.type(torch.float32),
            self.normalized_shape,
            self.weight.type(torch.float32),
            self.bias.type(torch.float32),
            self.eps,
        )
        return ret.type(orig_type)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.n_head = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        nn.init.normal_(self.in_proj_weight, std=embed_dim**-0.5)
        self.block_size = block_size

    def build_attention_mask(self, n: int, x: torch.Tensor):
        # lazily create causal attention mask
        # pytorch uses additive attention mask; fill with -inf
        mask = x.new_empty(n, n)
        mask.fill_(float("-inf"))
        mask.triu_(1)  # zero out the lower diagonal
        return mask

    def forward(self, x: torch.Tensor):
        n, t, width = x.shape
        q, k, v = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        q = q.reshape(n, t, self.n_head, -1).transpose(1, 2)
        k = k.reshape(n, t, self.n_head, -1).transpose(1, 2)
        v = v.reshape(n, t, self.n_head, -1).transpose(1, 2)
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        logits = logits + self.build_attention_mask(t, x)
        out = self.dropout(logits.softmax(dim=-1)) @ v
        return self.dropout(self.out_proj(out.transpose(1, 2).reshape(n, t, width)))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                [
                    ("c_fc", nn.Linear(embed_dim, embed_dim * 4)),
                    ("gelu", nn.GELU("tanh")),
                    ("c_proj", nn.Linear(embed_dim * 4, embed_dim)),
                    ("dropout", nn.Dropout(dropout_p)),
                ]
            )
        )

    def forward(self, x: torch.Tensor):
        return self.layers(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_1 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln_2 = LayerNorm(embed_dim)

    def forward(self, x: torch.Tensor):
        x = self.ln_1(x + self.attn(x))
        x = self.ln_2(x + self.mlp(x))
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
        self.resblocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.positional_embedding = nn.Parameter(torch.empty(block_size, embed_dim))
        self.ln_final = LayerNorm(embed_dim)
        self.text_projection = nn.Parameter(torch.empty(embed_dim, vocab_size))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=embed_dim**-0.5)

    def forward(self, idx: torch.Tensor):
        x = self.token_embedding(idx)  # [batch, n_ctx, d_model]
        x = x + self.positional_embedding[: x.shape[1]]
        x = self.resblocks(x)
        x = self.ln_final(x)
        return x @ self.text_projection
