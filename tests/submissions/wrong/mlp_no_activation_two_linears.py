# verdict: fail
# part: MLP
# cause: no-activation
# style: Sequential of two Linears and a dropout; separate projections, mask made on the fly
import torch
from torch import nn


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.norm(x))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.W_q = nn.Linear(embed_dim, embed_dim)
        self.W_k = nn.Linear(embed_dim, embed_dim)
        self.W_v = nn.Linear(embed_dim, embed_dim)
        self.W_o = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def _split(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x):
        b, n, c = x.shape
        q = self._split(self.W_q(x)) * self.head_dim**-0.5
        k = self._split(self.W_k(x))
        v = self._split(self.W_v(x))
        weights = q @ k.mT
        blocked = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        weights = weights.masked_fill(blocked, float("-inf"))
        attn = self.drop(weights.softmax(dim=-1))
        merged = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.W_o(merged)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sublayers = nn.ModuleList(
            [
                PreNorm(
                    embed_dim, CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
                ),
                PreNorm(embed_dim, MLP(embed_dim, dropout_p)),
            ]
        )

    def forward(self, x):
        for branch in self.sublayers:
            x = x + branch(x)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
