# verdict: fail
# part: TransformerBlock
# cause: no-mlp
# style: stops after the attention half; einsum over 3-D weights
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        std = embed_dim**-0.5
        self.wq = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wk = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wv = nn.Parameter(torch.randn(num_heads, embed_dim, D) * std)
        self.wo = nn.Parameter(torch.randn(num_heads, D, embed_dim) * std)
        self.dropout = nn.Dropout(dropout_p)
        self.scale = D**-0.5

    def forward(self, x):
        T = x.size(1)
        q = torch.einsum("btc,hcd->bhtd", x, self.wq)
        k = torch.einsum("btc,hcd->bhtd", x, self.wk)
        v = torch.einsum("btc,hcd->bhtd", x, self.wv)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.scale
        pos = torch.arange(T, device=x.device)
        visible = pos[None, :] <= pos[:, None]
        scores = torch.where(visible, scores, torch.finfo(scores.dtype).min)
        alpha = self.dropout(torch.softmax(scores, dim=-1))
        ctx = torch.einsum("bhqk,bhkd->bhqd", alpha, v)
        return torch.einsum("bhqd,hdc->bqc", ctx, self.wo)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(self.fc1(x), approximate="tanh")
        return self.drop(self.fc2(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.readout = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.readout
