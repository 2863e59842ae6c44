# verdict: fail
# part: TransformerBlock
# cause: batchnorm
# style: nn.BatchNorm1d over the channels, from computer vision
import torch
import torch.nn.functional as F
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def _split(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x):
        b, n, c = x.shape
        q = self._split(self.q_proj(x)) * self.head_dim**-0.5
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        logits = q @ k.mT
        upper = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        logits = logits.masked_fill(upper, float("-inf"))
        attn = self.drop(logits.softmax(dim=-1))
        merged = (attn @ v).transpose(1, 2).reshape(b, n, c)
        return self.out_proj(merged)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_out = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(self.w_in(x), approximate="tanh")
        return self.drop(self.w_out(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.bn1 = nn.BatchNorm1d(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.bn2 = nn.BatchNorm1d(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = self.bn1(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.attn(h)
        h = self.bn2(x.transpose(1, 2)).transpose(1, 2)
        return x + self.mlp(h)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.tower = nn.Sequential()
        for n in range(num_layers):
            self.tower.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.w_vocab = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.tower(x))
        return x @ self.w_vocab
