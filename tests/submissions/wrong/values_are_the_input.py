# verdict: fail
# part: CausalSelfAttention
# cause: v-not-projected
# style: qk fused in one Linear, values are x itself cut into heads; movedim and where
import torch
from torch import nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qk = nn.Linear(embed_dim, 2 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def heads(self, t):
        return t.unflatten(-1, (self.num_heads, -1)).movedim(-2, 1)

    def forward(self, x):
        q, k = self.qk(x).chunk(2, dim=-1)
        q, k, v = self.heads(q), self.heads(k), self.heads(x)
        att = q @ k.mT / q.size(-1) ** 0.5
        i = torch.arange(x.size(1), device=x.device)
        att = torch.where(i[:, None] >= i, att, float("-inf")).softmax(-1)
        return self.drop(self.proj((self.drop(att) @ v).movedim(1, -2).flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, embed_dim * 4)
        self.down = nn.Linear(embed_dim * 4, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln = nn.ModuleDict({"attn": nn.LayerNorm(embed_dim), "mlp": nn.LayerNorm(embed_dim)})
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln["attn"](x))
        return x + self.mlp(self.ln["mlp"](x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln = nn.LayerNorm(embed_dim)
        self.logits = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions(torch.arange(idx.size(1), device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.ln(x))
