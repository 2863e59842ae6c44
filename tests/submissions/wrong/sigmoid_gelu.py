# verdict: fail
# part: MLP
# cause: quick-gelu
# style: CLIP user: x * sigmoid(1.702 x) as "GELU"; everything else in raw Parameters and @
import torch
import torch.nn as nn


def gelu(x):
    """Gaussian Error Linear Unit."""
    return x * torch.sigmoid(1.702 * x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        s = embed_dim**-0.5
        self.h = num_heads
        self.in_proj_weight = nn.Parameter(s * torch.randn(embed_dim, 3 * embed_dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dim))
        self.out_proj_weight = nn.Parameter(s * torch.randn(embed_dim, embed_dim))
        self.out_proj_bias = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)
        mask = torch.empty(block_size, block_size)
        mask.fill_(float("-inf"))
        mask.triu_(1)  # zero out the lower diagonal
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x):
        B, L, D = x.shape
        qkv = x @ self.in_proj_weight + self.in_proj_bias
        q, k, v = qkv.reshape(B, L, 3, self.h, D // self.h).permute(2, 0, 3, 1, 4).unbind(0)
        w = (q * (D // self.h) ** -0.5) @ k.transpose(-2, -1) + self.attn_mask[:L, :L]
        y = (self.dropout(w.softmax(-1)) @ v).transpose(1, 2).reshape(B, L, D)
        return self.dropout(y @ self.out_proj_weight + self.out_proj_bias)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * embed_dim**-0.5)
        self.c_fc_bias = nn.Parameter(torch.zeros(4 * embed_dim))
        self.c_proj = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * embed_dim**-0.5)
        self.c_proj_bias = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(gelu(x @ self.c_fc + self.c_fc_bias) @ self.c_proj + self.c_proj_bias)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.positional_embedding = nn.Parameter(torch.empty(block_size, embed_dim))
        nn.init.normal_(self.positional_embedding, std=0.01)
        self.resblocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_final = nn.LayerNorm(embed_dim)
        self.text_projection = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        x = self.token_embedding(idx) + self.positional_embedding[: idx.shape[1]]
        return self.ln_final(self.resblocks(x)) @ self.text_projection
