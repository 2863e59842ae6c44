# verdict: fail
# part: MLP
# cause: dropout-ignored
# style: dropout_p accepted and forgotten; separate projections, mask made on the fly
import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def _split(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x):
        b, n, c = x.shape
        q = self._split(self.query(x)) * self.head_dim**-0.5
        k = self._split(self.key(x))
        v = self._split(self.value(x))
        sim = q @ k.mT
        mask = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        sim = sim.masked_fill(mask, float("-inf"))
        attn = self.drop(sim.softmax(dim=-1))
        merged = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.output(merged)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * embed_dim, embed_dim),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.ln_2 = nn.LayerNorm(embed_dim, eps=1e-5)

    def forward(self, x):
        residual = x
        hidden_states = self.ln_1(x)
        hidden_states = self.attn(hidden_states) + residual
        residual = hidden_states
        hidden_states = self.ln_2(hidden_states)
        return residual + self.mlp(hidden_states)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.normal_(self.pos_embedding, std=0.01)
        self.dropout = nn.Dropout(dropout_p)
        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.transformer = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        h = self.dropout(self.tok(idx) + self.pos_embedding[:, :n, :])
        return self.head(self.transformer(h))
