# verdict: fail
# part: TransformerBlock
# cause: residual-missing-attn
# style: walrus and dense lines; x = attn(ln(x)) lost its "x +" while the MLP kept it
import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.p = num_heads, dropout_p
        self.wi, self.wo = nn.Linear(embed_dim, embed_dim * 3), nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.wi(x).view(b, t, 3, self.h, c // self.h).permute(2, 0, 3, 1, 4)
        keep = torch.arange(t, device=x.device)[:, None] >= torch.arange(t, device=x.device)
        p = self.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, dropout_p=p)
        return F.dropout(self.wo(y.transpose(1, 2).reshape(b, t, c)), p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.wi, self.wo = nn.Linear(embed_dim, h := embed_dim * 4), nn.Linear(h, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.wo(F.gelu(self.wi(x))), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.l1, self.l2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.a = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.m = MLP(embed_dim, dropout_p)

    def forward(self, x):
        return (x := self.a(self.l1(x))) + self.m(self.l2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.te, self.pe = nn.Embedding(vocab_size, embed_dim), nn.Embedding(block_size, embed_dim)
        self.bs = nn.Sequential(
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            )
        )
        self.lf = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        x = self.te(idx) + self.pe.weight[: idx.shape[1]]
        return self.lf(self.bs(x)) @ self.te.weight.T
