import torch
import torch.nn as nn
import torch.nn.functional as F


def pointwise(c_in, c_out, bias=True):
    return nn.Conv1d(c_in, c_out, kernel_size=1, bias=bias)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = pointwise(embed_dim, 3 * embed_dim)
        self.out = pointwise(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        # convolutions want channels before time
        qkv = self.qkv(x.transpose(1, 2))  # (B, 3C, T)
        q, k, v = qkv.reshape(B, 3, self.num_heads, C // self.num_heads, T).unbind(1)
        att = torch.einsum("bhdt,bhds->bhts", q, k) / (C // self.num_heads) ** 0.5
        keep = torch.ones(T, T, device=x.device).tril().bool()
        att = att.masked_fill(~keep, float("-inf")).softmax(dim=-1)
        y = torch.einsum("bhts,bhds->bhdt", self.drop(att), v).reshape(B, C, T)
        return self.drop(self.out(y)).transpose(1, 2)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.conv1 = pointwise(embed_dim, 4 * embed_dim)
        self.conv2 = pointwise(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        y = x.permute(0, 2, 1)
        y = self.conv2(F.gelu(self.conv1(y)))
        return self.drop(y.permute(0, 2, 1))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim)
        self.ln_conv = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_attn(x))
        return x + self.mlp(self.ln_conv(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Parameter(torch.zeros(block_size, embed_dim))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.head = pointwise(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.embedding(idx) + self.position[: idx.size(1)].unsqueeze(0)
        x = self.ln(self.blocks(x))
        return self.head(x.transpose(1, 2)).transpose(1, 2)
