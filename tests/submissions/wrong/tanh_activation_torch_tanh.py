# verdict: fail
# part: MLP
# cause: tanh-activation
# style: bare Parameters in MLP and attention; torch.tanh where the GELU belongs
import torch
import torch.nn as nn
import torch.nn.functional as F


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
        post = torch.tanh(pre)
        return self.drop(post @ self.W_out + self.b_out)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.scale = d**-0.5
        self.W_Q = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_K = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_V = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.b_O = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("btc,hcd->bhtd", x, self.W_Q) * self.scale
        k = torch.einsum("btc,hcd->bhtd", x, self.W_K)
        v = torch.einsum("btc,hcd->bhtd", x, self.W_V)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k)
        t = torch.arange(x.shape[1], device=x.device)
        scores = torch.where(t[:, None] >= t[None, :], scores, torch.finfo(x.dtype).min)
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bhqk,bhkd->bhqd", pattern, v)
        return self.drop(torch.einsum("bhqd,hdc->bqc", z, self.W_O) + self.b_O)


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
        resid = F.embedding(idx, self.W_E) + self.W_pos[:n]
        for block in self.trunk:
            resid = block(resid)
        return self.ln_final(resid) @ self.W_U + self.b_U
