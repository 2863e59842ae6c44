# verdict: fail
# part: CausalSelfAttention
# cause: kv-shared
# style: four (C, C) Parameters and F.linear; copy-paste: the values are projected with w_k too
import torch
import torch.nn as nn
import torch.nn.functional as F


def weight(n_out, n_in):
    w = nn.Parameter(torch.empty(n_out, n_in))
    nn.init.kaiming_uniform_(w, a=5**0.5)
    return w


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        self.w_q = weight(embed_dim, embed_dim)
        self.w_k = weight(embed_dim, embed_dim)
        self.w_o = weight(embed_dim, embed_dim)

    def forward(self, x):
        B, T, C = x.shape
        shape = (B, T, self.num_heads, C // self.num_heads)
        q = F.linear(x, self.w_q).view(shape).transpose(1, 2)
        k = F.linear(x, self.w_k).view(shape).transpose(1, 2)
        v = F.linear(x, self.w_k).view(shape).transpose(1, 2)
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.dropout_p if self.training else 0.0
        )
        y = F.linear(y.transpose(1, 2).reshape(B, T, C), self.w_o)
        return F.dropout(y, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.dropout_p = dropout_p
        self.w_up = weight(4 * embed_dim, embed_dim)
        self.w_down = weight(embed_dim, 4 * embed_dim)

    def forward(self, x):
        y = F.linear(F.gelu(F.linear(x, self.w_up)), self.w_down)
        return F.dropout(y, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = x + self.attn(self.n1(x))
        return h + self.mlp(self.n2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.w_tok = weight(vocab_size, embed_dim)
        self.w_pos = weight(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = F.embedding(idx, self.w_tok) + self.w_pos[: idx.size(1)]
        for b in self.blocks:
            x = b(x)
        return F.linear(self.norm(x), self.w_tok)
