# verdict: pass
# style: loves nn.Sequential: blocks, MLP, trunk and the whole model are Sequentials
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x):
        return self.inner(x) + x


class SplitHeads(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        return x.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)


class Attend(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.soft = nn.Sequential(nn.Softmax(dim=-1), nn.Dropout(p))

    def forward(self, qkv):
        q, k, v = qkv.unbind(0)
        T = q.size(-2)
        future = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
        s = (q @ k.mT).div(q.size(-1) ** 0.5).masked_fill(future, -torch.inf)
        return self.soft(s) @ v


class MergeHeads(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2).flatten(2)


class AddPositions(nn.Module):
    def __init__(self, block_size, embed_dim):
        super().__init__()
        self.table = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 3 * embed_dim),
            SplitHeads(num_heads),
            Attend(dropout_p),
            MergeHeads(),
            nn.Linear(embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.net = nn.Sequential(
            Residual(nn.LayerNorm(embed_dim), attn),
            Residual(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p)),
        )

    def forward(self, x):
        return self.net(x)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Embedding(vocab_size, embed_dim),
            AddPositions(block_size, embed_dim),
            nn.Dropout(dropout_p),
            *(
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ),
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, vocab_size, bias=False),
        )

    def forward(self, idx):
        return self.net(idx)
