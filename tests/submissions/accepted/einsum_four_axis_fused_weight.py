# verdict: pass
# style: one 4-D weight (3, H, C, D) for q, k, v in a single einsum, 3-D out weight, partial biases
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        std = embed_dim**-0.5
        self.in_weight = nn.Parameter(torch.randn(3, num_heads, embed_dim, head_dim) * std)
        self.in_bias = nn.Parameter(torch.zeros(3, num_heads, 1, head_dim))
        self.out_weight = nn.Parameter(torch.randn(num_heads, head_dim, embed_dim) * std)
        self.scale = head_dim**-0.5
        self.drop = nn.Dropout(dropout_p)
        tri = torch.ones(block_size, block_size, dtype=torch.bool).triu(diagonal=1)
        self.register_buffer("future", tri, persistent=False)

    def forward(self, x):
        T = x.shape[1]
        # s: which of q, k, v    b: batch    h: head    t: time    c: channel    d: head channel
        qkv = torch.einsum("btc,shcd->sbhtd", x, self.in_weight) + self.in_bias[:, None]
        q, k, v = qkv.unbind(0)
        logits = torch.einsum("bhtd,bhud->bhtu", q, k) * self.scale
        logits = logits.masked_fill(self.future[:T, :T], torch.finfo(logits.dtype).min)
        weights = self.drop(F.softmax(logits, -1))
        mixed = torch.einsum("bhtu,bhud->bhtd", weights, v)
        return self.drop(torch.einsum("bhtd,hdc->btc", mixed, self.out_weight))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(4, embed_dim, embed_dim) * embed_dim**-0.5)
        self.b1 = nn.Parameter(torch.zeros(4, embed_dim))
        self.w2 = nn.Parameter(torch.randn(4, embed_dim, embed_dim) * embed_dim**-0.5 / 2)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        # the hidden layer of 4C is kept as four groups of C
        hidden = F.gelu(torch.einsum("btc,gcf->btgf", x, self.w1) + self.b1)
        return self.drop(torch.einsum("btgf,gfc->btc", hidden, self.w2) + self.b2)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = x + self.attn(self.norms[0](x))
        return h + self.mlp(self.norms[1](h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, idx):
        steps = torch.arange(idx.shape[1], device=idx.device)
        x = self.embed(idx) + self.pos(steps)[None]
        for layer in self.layers:
            x = layer(x)
        return torch.einsum("btc,vc->btv", self.norm(x), self.embed.weight)
