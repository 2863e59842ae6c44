# verdict: fail
# part: TransformerBlock
# cause: order-swapped
# style: one gain and shift table for both norms; the block runs its MLP before attention
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.W_out = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        pre = x @ self.W_in + self.b_in
        post = 0.5 * pre * (1 + torch.erf(pre / math.sqrt(2)))
        return self.drop(post @ self.W_out + self.b_out)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.H, self.D = num_heads, embed_dim // num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wkv = nn.Linear(embed_dim, 2 * embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.attn_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        key, value = self.wkv(x).chunk(2, dim=-1)
        query = self.wq(x).reshape(B, T, self.H, self.D)
        key = key.reshape(B, T, self.H, self.D)
        value = value.reshape(B, T, self.H, self.D)
        logits = torch.einsum("bihd,bjhd->bhij", query, key) / self.D**0.5
        allowed = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        logits = logits.masked_fill(allowed.logical_not(), -torch.inf)
        weights = F.dropout(logits.softmax(dim=3), self.attn_p, self.training)
        mixed = torch.einsum("bhij,bjhd->bihd", weights, value).reshape(B, T, C)
        return F.dropout(self.wo(mixed), self.attn_p, self.training)


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
        x = x + self.ffn(self.norm(x, 0))
        return x + self.mixer(self.norm(x, 1))


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
        self.unembed = nn.Linear(embed_dim, vocab_size)
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
