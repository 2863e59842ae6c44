# verdict: fail
# part: MLP
# causes: quick-gelu dropout-ignored
# style: CLIP's residual block from memory: OrderedDict, QuickGELU, additive mask built by a method
from collections import OrderedDict

import torch
from torch import nn


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor):
        return x * torch.sigmoid(1.702 * x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)
        self.register_buffer("attn_mask", self.build_attention_mask(block_size), persistent=False)
        nn.init.normal_(self.in_proj_weight, std=embed_dim**-0.5)

    @staticmethod
    def build_attention_mask(context_length: int):
        # additive attention mask; fill with -inf
        mask = torch.empty(context_length, context_length)
        mask.fill_(float("-inf"))
        mask.triu_(1)  # zero out the lower diagonal
        return mask

    def forward(self, x: torch.Tensor):
        n, l, d = x.shape
        qkv = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.view(n, l, 3, self.heads, d // self.heads)
        q, k, v = qkv.unbind(2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        logits = (q * q.shape[-1] ** -0.5) @ k.mT + self.attn_mask[:l, :l]
        weights = self.attn_dropout(logits.softmax(dim=-1))
        return self.out_dropout(self.out_proj((weights @ v).transpose(1, 2).reshape(n, l, d)))


class MLP(nn.Sequential):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__(
            OrderedDict(
                [
                    ("c_fc", nn.Linear(embed_dim, embed_dim * 4)),
                    ("gelu", QuickGELU()),
                    ("c_proj", nn.Linear(embed_dim * 4, embed_dim)),
                ]
            )
        )


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)

    def forward(self, x: torch.Tensor):
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
    ):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.positional_embedding = nn.Parameter(torch.empty(block_size, embed_dim))
        self.resblocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_final = nn.LayerNorm(embed_dim)
        self.text_projection = nn.Parameter(torch.empty(embed_dim, vocab_size))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=embed_dim**-0.5)

    def forward(self, idx: torch.Tensor):
        x = self.token_embedding(idx)  # [batch_size, n_ctx, d_model]
        x = x + self.positional_embedding[: x.shape[1]]
        x = self.resblocks(x)
        x = self.ln_final(x)
        return x @ self.text_projection
