# verdict: fail
# part: GPT2
# cause: position-off-by-one
# style: positions shifted by one and clamped at zero, so that the first two tokens share a row
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.zeros(block_size, embed_dim))
        self.emb_drop = nn.Dropout(dropout_p)
        layers = []
        for _ in range(num_layers):
            layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = nn.Linear(embed_dim, vocab_size)
        nn.init.normal_(self.pos_emb, std=0.02)

    def forward(self, idx):
        T = idx.shape[-1]
        # zero based
        position = (torch.arange(T, device=idx.device) - 1).clamp(min=0)
        x = self.emb_drop(self.tok_emb(idx) + self.pos_emb[position])
        for layer in self.layers:
            x = layer(x)
        return self.to_logits(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.ffwd = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        for sublayer in (self.sa, self.ffwd):
            x = x + sublayer(x)
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        std = embed_dim**-0.5
        self.w_qkv = nn.Parameter(std * torch.randn(embed_dim, 3 * embed_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3 * embed_dim))
        self.w_out = nn.Parameter(std * torch.randn(embed_dim, embed_dim))
        self.b_out = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, C // self.num_heads
        qkv = (x @ self.w_qkv + self.b_qkv).view(B, T, 3 * H, D)
        q, k, v = qkv.transpose(1, 2).chunk(3, dim=1)
        att = q @ k.transpose(-1, -2) / D**0.5
        minus_inf = torch.full_like(att, -math.inf)
        att = att + minus_inf.triu(1)
        att = F.dropout(att.softmax(-1), self.dropout_p, self.training)
        y = (att @ v).transpose(1, 2).reshape(B, T, C)
        return F.dropout(y @ self.w_out + self.b_out, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = F.gelu(x @ self.w1 + self.b1)
        return self.dropout(hidden @ self.w2 + self.b2)


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
