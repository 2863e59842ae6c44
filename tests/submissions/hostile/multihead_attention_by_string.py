# verdict: fail
# group: 12
# status: violation
# tries: nn.MultiheadAttention through getattr with a name put together at run time
import torch
from torch import nn


Ready = getattr(nn, "noitnettAdaehitluM"[::-1])


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.inner = Ready(embed_dim, num_heads, dropout_p, batch_first=True)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.drop(self.inner(x, x, x, attn_mask=mask, need_weights=False)[0])


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        up, down = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        super().__init__(up, nn.GELU(), down, nn.Dropout(dropout_p))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        sizes = (embed_dim, num_heads, block_size, dropout_p)
        blocks = [TransformerBlock(*sizes) for _ in range(num_layers)]
        self.body = nn.Sequential(nn.Dropout(dropout_p), *blocks, nn.LayerNorm(embed_dim))
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        places = torch.arange(idx.shape[1], device=idx.device)
        return self.head(self.body(self.tokens(idx) + self.positions(places)))
