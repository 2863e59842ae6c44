# verdict: pass
# style: loops over t and attends from step t to k[:t+1], v[:t+1], as a decoder at run time would
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """Instead of a mask, each step is given its past only."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H, self.D = num_heads, embed_dim // num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def step(self, q_t, past_k, past_v):
        # q_t: (B, H, D)   past_k, past_v: (B, t+1, H, D)
        score = (past_k * q_t.unsqueeze(1)).sum(-1) / self.D**0.5  # (B, t+1, H)
        weight = self.dropout(score.softmax(dim=1))
        return (weight.unsqueeze(-1) * past_v).sum(dim=1)  # (B, H, D)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.H, self.D).unbind(2)
        outs = [self.step(q[:, t], k[:, : t + 1], v[:, : t + 1]) for t in range(T)]
        y = torch.stack(outs, dim=1).reshape(B, T, C)
        return self.dropout(self.proj(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.i = nn.Linear(embed_dim, 4 * embed_dim)
        self.o = nn.Linear(4 * embed_dim, embed_dim)
        self.g = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.o(self.g(self.i(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.ln = nn.ModuleDict(
            {
                "attn": nn.LayerNorm(embed_dim),
                "mlp": nn.LayerNorm(embed_dim),
            }
        )

    def forward(self, x):
        x = x + self.attn(self.ln["attn"](x))
        x = x + self.mlp(self.ln["mlp"](x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.stack = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        T = idx.size(1)
        x = self.tok(idx)
        x = x + self.pos.weight[None, :T]
        for block in self.stack:
            x = block(x)
        return self.head(self.ln_f(x))
