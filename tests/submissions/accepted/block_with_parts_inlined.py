# verdict: pass
# style: the block holds its own weights and does attention and MLP inline
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.c_attn = nn.Linear(embed_dim, 3 * embed_dim)
        self.c_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        return attention_math(
            x, self.c_attn, self.c_proj, self.num_heads, self.dropout_p if self.training else 0.0
        )


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        return F.dropout(self.c_proj(F.gelu(self.c_fc(x))), self.dropout_p, self.training)


def attention_math(x, inp, outp, H, p):
    B, T, C = x.shape
    q, k, v = inp(x).reshape(B, T, 3, H, C // H).unbind(2)
    att = torch.einsum("bqhd,bkhd->bhqk", q, k) * (C // H) ** -0.5
    att = att + torch.triu(torch.full_like(att, float("-inf")), diagonal=1)
    att = F.dropout(F.softmax(att, -1), p, p > 0)
    y = torch.einsum("bhqk,bkhd->bqhd", att, v).flatten(2)
    return F.dropout(outp(y), p, p > 0)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.p = num_heads, dropout_p
        self.g1 = nn.Parameter(torch.ones(embed_dim))
        self.b1 = nn.Parameter(torch.zeros(embed_dim))
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        self.g2 = nn.Parameter(torch.ones(embed_dim))
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc_out = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, C // self.num_heads
        # attention
        h = F.layer_norm(x, (C,), self.g1, self.b1)
        q, k, v = [z.view(B, T, H, D).transpose(1, 2) for z in self.qkv(h).split(C, -1)]
        s = q @ k.transpose(2, 3) / D**0.5
        s = s.masked_fill(torch.ones(T, T, device=x.device).tril() == 0, float("-inf"))
        a = F.dropout(s.softmax(-1), self.p, self.training) @ v
        x = x + F.dropout(self.out(a.transpose(1, 2).reshape(B, T, C)), self.p, self.training)
        # feed-forward
        h = F.layer_norm(x, (C,), self.g2, self.b2)
        return x + F.dropout(self.fc_out(F.gelu(self.fc(h))), self.p, self.training)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe.weight[: idx.shape[1]]
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
