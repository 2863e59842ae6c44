# verdict: fail
# part: CausalSelfAttention
# cause: mask-wrong-sign
# style: baddbmm with heads in the batch, float bias buffer holding +1e9 above the diagonal
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h, self.d = num_heads, embed_dim // num_heads
        self.Wq = nn.Linear(embed_dim, embed_dim, bias=False)
        self.Wk = nn.Linear(embed_dim, embed_dim, bias=False)
        self.Wv = nn.Linear(embed_dim, embed_dim, bias=False)
        self.Wo = nn.Linear(embed_dim, embed_dim, bias=False)
        self.p = dropout_p
        self.register_buffer("bias", torch.ones(1, block_size, block_size).triu(1) * 1e9)

    def to_heads(self, t):
        B, T, _ = t.shape
        return t.reshape(B, T, self.h, self.d).transpose(1, 2).reshape(B * self.h, T, self.d)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (self.to_heads(w(x)) for w in (self.Wq, self.Wk, self.Wv))
        scores = torch.baddbmm(self.bias[:, :T, :T], q, k.transpose(1, 2), alpha=self.d**-0.5)
        w = F.dropout(scores.softmax(dim=2), self.p, self.training)
        y = torch.bmm(w, v).view(B, self.h, T, self.d).transpose(1, 2).reshape(B, T, C)
        return F.dropout(self.Wo(y), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.W2 = nn.Linear(4 * embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.W2(F.gelu(self.W1(x))), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.g1, self.b1 = nn.Parameter(torch.ones(embed_dim)), nn.Parameter(torch.zeros(embed_dim))
        self.g2, self.b2 = nn.Parameter(torch.ones(embed_dim)), nn.Parameter(torch.zeros(embed_dim))
        self.att = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def forward(self, x):
        size = x.shape[-1:]
        x = x + self.att(F.layer_norm(x, size, self.g1, self.b1))
        return x + self.ffn(F.layer_norm(x, size, self.g2, self.b2))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.E = nn.Embedding(vocab_size, embed_dim)
        self.P = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.U = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.E(idx) + self.P(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        return self.U(self.norm(x))
