# verdict: fail
# part: TransformerBlock
# cause: double-residual
# style: _mlp_branch already returns x + ..., and forward adds x once more; per-role ModuleLists
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        size = embed_dim // num_heads
        make = lambda: nn.ModuleList(nn.Linear(embed_dim, size) for _ in range(num_heads))  # noqa
        self.queries, self.keys, self.values = make(), make(), make()
        self.output = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.size = size

    def forward(self, x):
        T = x.size(1)
        hidden = torch.triu(torch.ones(T, T, dtype=torch.bool, device=x.device), diagonal=1)
        heads = []
        for fq, fk, fv in zip(self.queries, self.keys, self.values):
            score = torch.bmm(fq(x), fk(x).transpose(1, 2)) / self.size**0.5
            score = score.masked_fill(hidden, float("-inf"))
            heads.append(torch.bmm(F.softmax(score, dim=2), fv(x)))
        return self.dropout(self.output(torch.cat(heads, dim=2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.hidden = nn.Linear(embed_dim, 4 * embed_dim)
        self.output = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.output(F.gelu(self.hidden(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def _attn_branch(self, x):
        return self.attn(self.norm1(x))

    def _mlp_branch(self, x):
        return x + self.mlp(self.norm2(x))

    def forward(self, x):
        x = x + self._attn_branch(x)
        x = x + self._mlp_branch(x)
        return x


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
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tokens(idx) + self.positions(torch.arange(idx.size(1), device=idx.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
