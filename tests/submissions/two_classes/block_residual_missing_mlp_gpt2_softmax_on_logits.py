# verdict: fail
# causes: TransformerBlock:residual-missing-mlp GPT2:softmax-on-logits
# style: softmax by exp and sum on a -inf mask, functional helpers; nn.Softmax closes the model
import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_softmax(scores):
    t = scores.size(-1)
    upper = torch.ones(t, t, dtype=torch.bool, device=scores.device).triu(1)
    scores = scores.masked_fill(upper, float("-inf"))
    scores = scores - scores.amax(dim=-1, keepdim=True)
    weights = scores.exp()
    return weights / weights.sum(dim=-1, keepdim=True)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.kv = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        def heads(y):
            return y.unflatten(-1, (self.num_heads, -1)).movedim(-2, -3)

        k, v = self.kv(x).chunk(2, dim=-1)
        q, k, v = heads(self.q(x)), heads(k), heads(v)
        weights = self.dropout(causal_softmax(q @ k.mT / q.size(-1) ** 0.5))
        return self.dropout(self.o((weights @ v).movedim(-3, -2).flatten(-2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.a = nn.Linear(embed_dim, 4 * embed_dim)
        self.b = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.b(F.gelu(self.a(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = self.attn(self.ln1(x)).add(x)
        return self.mlp(self.ln2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.head = nn.Sequential(
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, vocab_size),
            nn.Softmax(dim=-1),
        )

    def forward(self, idx):
        x = self.dropout(self.tok(idx) + self.pos(torch.arange(idx.size(1), device=idx.device)))
        for block in self.blocks:
            x = block(x)
        return self.head(x)
