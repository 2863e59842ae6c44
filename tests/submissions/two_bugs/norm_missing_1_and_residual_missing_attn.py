# verdict: fail
# part: TransformerBlock
# causes: norm-missing-1 residual-missing-attn
# style: a loop over heads that slices columns; the block's first line is a bare x = self.attn(x)
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.p = dropout_p
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_k = nn.Linear(embed_dim, embed_dim)
        self.to_v = nn.Linear(embed_dim, embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        T = x.shape[1]
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)
        keep = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        outputs = []
        for start in range(0, self.embed_dim, self.head_dim):
            cols = slice(start, start + self.head_dim)
            s = q[:, :, cols] @ k[:, :, cols].transpose(1, 2)
            s = (s / self.head_dim**0.5).masked_fill(~keep, float("-inf"))
            a = F.dropout(F.softmax(s, dim=-1), self.p, self.training)
            outputs.append(a @ v[:, :, cols])
        return F.dropout(self.to_out(torch.cat(outputs, dim=-1)), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.inner = nn.Linear(embed_dim, 4 * embed_dim)
        self.outer = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x):
        h = F.gelu(self.inner(x), approximate="tanh")
        return F.dropout(self.outer(h), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.attn(x)
        x = x + self.mlp(self.ln2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Parameter(torch.randn(block_size, embed_dim).mul_(0.02))
        self.body = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ],
            nn.LayerNorm(embed_dim),
            nn.Linear(embed_dim, vocab_size),
        )

    def forward(self, idx):
        x = self.emb(idx) + self.pos.narrow(0, 0, idx.shape[1])
        return self.body(F.dropout(x, self.p, self.training))
