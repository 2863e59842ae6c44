# verdict: pass
# style: the parts take dropout_p but leave it to the block, which drops both branches
import math
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.scale = 1.0 / math.sqrt(embed_dim // num_heads)
        self.Wq = nn.Linear(embed_dim, embed_dim)
        self.Wk = nn.Linear(embed_dim, embed_dim)
        self.Wv = nn.Linear(embed_dim, embed_dim)
        self.Wo = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        b, n, _ = x.shape
        q = (self.Wq(x) * self.scale).view(b, n, self.n_head, -1).transpose(1, 2)
        kt = self.Wk(x).view(b, n, self.n_head, -1).permute(0, 2, 3, 1)
        v = self.Wv(x).view(b, n, self.n_head, -1).transpose(1, 2)
        ahead = (1.0 - torch.ones(n, n, dtype=x.dtype, device=x.device).tril()) * -1e9
        probs = torch.softmax(q @ kt + ahead, dim=-1)
        return self.Wo((probs @ v).transpose(1, 2).reshape(b, n, -1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.W2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x):
        return self.W2(nn.functional.gelu(self.W1(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.ffn_norm = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = x + self.dropout(self.attn(self.attn_norm(x)))
        return x + self.dropout(self.ffn(self.ffn_norm(x)))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)
        nn.init.zeros_(self.unembed.weight)

    def forward(self, idx):
        pos = torch.arange(idx.shape[1], device=idx.device)
        x = self.dropout(self.tokens(idx) + self.pos(pos))
        for block in self.blocks:
            x = block(x)
        return self.unembed(self.norm(x))
