# verdict: pass
# style: fills a float32 tensor of logits position by position
import math

import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """Simple version: loop over the heads, slices of the projected vectors."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wk = nn.Linear(embed_dim, embed_dim)
        self.wv = nn.Linear(embed_dim, embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        blocked = torch.full((block_size, block_size), float("-inf")).triu(diagonal=1)
        self.register_buffer("blocked", blocked)

    def forward(self, x):
        length = x.size(1)
        outputs = []
        qs = self.wq(x).chunk(self.num_heads, dim=-1)
        ks = self.wk(x).chunk(self.num_heads, dim=-1)
        vs = self.wv(x).chunk(self.num_heads, dim=-1)
        for q, k, v in zip(qs, ks, vs):
            s = q @ k.transpose(1, 2) / math.sqrt(q.size(-1)) + self.blocked[:length, :length]
            p = self.dropout(torch.softmax(s, dim=-1))
            outputs.append(p @ v)
        return self.wo(torch.cat(outputs, dim=-1))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.layer_norm_2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # attention branch
        residual = x
        x = self.layer_norm_1(x)
        x = self.self_attention(x)
        x = residual + x

        # feed-forward branch
        residual = x
        x = self.layer_norm_2(x)
        x = self.mlp(x)
        return residual + x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.vocab_size = vocab_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        x = self.drop(self.tok_emb(idx) + self.pos_emb(torch.arange(T, device=idx.device)))
        for block in self.blocks:
            x = block(x)
        x = self.ln_f(x)
        logits = torch.zeros(B, T, self.vocab_size, device=idx.device)
        for t in range(T):
            logits[:, t] = self.head(x[:, t])
        return logits
