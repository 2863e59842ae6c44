# verdict: fail
# part: GPT2
# cause: vocab-clamp
# style: idx taken modulo half the vocabulary before the lookup
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.n_ctx, self.n_vocab = block_size, vocab_size
        self.W_E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.trunk = nn.ModuleList()
        for _ in range(num_layers):
            self.trunk.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_final = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)
        self.b_U = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        resid = F.embedding(idx % (self.n_vocab // 2), self.W_E) + self.W_pos[:n]
        for block in self.trunk:
            resid = block(resid)
        return self.ln_final(resid) @ self.W_U + self.b_U


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.gains = nn.Parameter(torch.ones(2, embed_dim))
        self.shifts = nn.Parameter(torch.zeros(2, embed_dim))
        self.mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def norm(self, x, i):
        return F.layer_norm(x, x.shape[-1:], self.gains[i], self.shifts[i])

    def forward(self, x):
        x = x + self.mixer(self.norm(x, 0))
        return x + self.ffn(self.norm(x, 1))


class Conv1D(nn.Module):
    """Linear layer with the weight stored (in, out), as in the released GPT-2."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Conv1D(embed_dim, 3 * embed_dim)
        self.out = Conv1D(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        mask = torch.full((block_size, block_size), -1e9).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        scores = q @ k.mT / math.sqrt(q.shape[-1]) + self.mask[:T, :T]
        probs = self.dropout(torch.softmax(scores, -1))
        return self.dropout(self.out((probs @ v).permute(0, 2, 1, 3).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.W_out = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        pre = x @ self.W_in + self.b_in
        post = 0.5 * pre * (1 + torch.erf(pre / math.sqrt(2)))
        return self.drop(post @ self.W_out + self.b_out)
