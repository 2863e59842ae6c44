# verdict: pass
# style: attention drops only its weights, MLP nothing; residual dropout stands in the block
import math
import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    """Multi-head attention whose only dropout is on the attention weights."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.head_dim = num_heads, embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.unify_heads = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        b, t, e = x.size()
        h, s = self.num_heads, self.head_dim
        queries = self.query(x).view(b, t, h, s)
        keys, values = self.key_value(x).view(b, t, 2, h, s).unbind(dim=2)

        # fold heads into the batch dimension
        queries = queries.transpose(1, 2).reshape(b * h, t, s) / (s ** (1 / 4))
        keys = keys.transpose(1, 2).reshape(b * h, t, s) / (s ** (1 / 4))
        values = values.transpose(1, 2).reshape(b * h, t, s)

        dot = torch.bmm(queries, keys.transpose(1, 2))
        i, j = torch.triu_indices(t, t, offset=1)
        dot[:, i, j] = -math.inf
        dot = self.dropout(torch.softmax(dot, dim=2))

        out = torch.bmm(dot, values).view(b, h, t, s)
        return self.unify_heads(out.transpose(1, 2).reshape(b, t, s * h))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.ff = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
        )

    def forward(self, x):
        return self.ff(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.ff = MLP(embed_dim, dropout_p)
        self.do = nn.Dropout(dropout_p)

    def forward(self, x):
        attended = self.do(self.attention(self.norm1(x)))
        x = attended + x
        fedforward = self.do(self.ff(self.norm2(x)))
        return fedforward + x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(num_embeddings=vocab_size, embedding_dim=embed_dim)
        self.pos_embedding = nn.Embedding(num_embeddings=block_size, embedding_dim=embed_dim)
        tblocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.tblocks = nn.Sequential(*tblocks)
        self.norm = nn.LayerNorm(embed_dim)
        self.toprobs = nn.Linear(embed_dim, vocab_size)

    def forward(self, x):
        tokens = self.token_embedding(x)
        b, t, e = tokens.size()
        positions = self.pos_embedding(torch.arange(t, device=x.device))[None, :, :]
        x = self.tblocks(tokens + positions.expand(b, t, e))
        return self.toprobs(self.norm(x).view(b * t, e)).view(b, t, -1)
