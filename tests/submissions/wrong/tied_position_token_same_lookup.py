# verdict: fail
# part: GPT2
# cause: tied-position-token
# style: ModuleDict; positions are looked up in the token table
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    expansion = 4

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = self.expansion * embed_dim
        self.up = nn.Linear(embed_dim, hidden, bias=False)
        self.down = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.down(F.gelu(self.up(x))), self.p, training=self.training)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.n_head = num_heads
        self.c_attn = nn.Linear(embed_dim, 3 * embed_dim)
        self.c_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        causal = torch.tril(torch.ones(block_size, block_size, dtype=torch.bool))
        self.register_buffer("causal", causal.view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
        att = att.masked_fill(~self.causal[:, :, :T, :T], float("-inf"))
        att = self.attn_dropout(F.softmax(att, dim=-1))
        y = (att @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_dropout(self.c_proj(y))


class TransformerBlock(nn.Module):
    """Pre-norm block: two sublayers, each on a residual branch."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        make_block = lambda: TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.transformer = nn.ModuleDict(
            {
                "tokens": nn.Embedding(vocab_size, embed_dim),
                "dropout": nn.Dropout(dropout_p),
                "blocks": nn.ModuleList(make_block() for _ in range(num_layers)),
                "norm": nn.LayerNorm(embed_dim),
            }
        )
        self.unembed = nn.Linear(embed_dim, vocab_size)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def embed(self, idx):
        where = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        return self.transformer["tokens"](idx) + self.transformer["tokens"](where)

    def forward(self, idx):
        x = self.transformer["dropout"](self.embed(idx))
        for block in self.transformer["blocks"]:
            x = block(x)
        return self.unembed(self.transformer["norm"](x))
