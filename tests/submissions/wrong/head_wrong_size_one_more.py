# verdict: fail
# part: GPT2
# cause: head-wrong-size
# style: output Linear has embed_dim + 1 outputs, mistaken for the vocabulary
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
        self.heads = num_heads
        self.p = dropout_p
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))

    def forward(self, x):
        q, k, v = (
            f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for f in (self.to_q, self.to_k, self.to_v)
        )
        p = self.p if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return self.to_out(out.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.gains = nn.Parameter(torch.ones(2, embed_dim))
        self.shifts = nn.Parameter(torch.zeros(2, embed_dim))
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def norm(self, x, i):
        return F.layer_norm(x, x.shape[-1:], self.gains[i], self.shifts[i])

    def forward(self, x):
        x = x + self.mixer(self.norm(x, 0))
        return x + self.ffn(self.norm(x, 1))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        make_block = lambda: TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.transformer = nn.ModuleDict(
            {
                "tokens": nn.Embedding(vocab_size, embed_dim),
                "positions": nn.Embedding(block_size, embed_dim),
                "dropout": nn.Dropout(dropout_p),
                "blocks": nn.ModuleList(make_block() for _ in range(num_layers)),
                "norm": nn.LayerNorm(embed_dim),
            }
        )
        self.unembed = nn.Linear(embed_dim, embed_dim + 1)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def embed(self, idx):
        where = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        return self.transformer["tokens"](idx) + self.transformer["positions"](where)

    def forward(self, idx):
        x = self.transformer["dropout"](self.embed(idx))
        for block in self.transformer["blocks"]:
            x = block(x)
        return self.unembed(self.transformer["norm"](x))
