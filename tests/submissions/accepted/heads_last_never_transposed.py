# verdict: pass
# style: heads stay last, scores are (B, T, S, H), softmax over axis 2; additive -inf triu
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """x (B, T, C) -> (B, T, C). The head axis is never moved in front of time."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q = nn.Linear(embed_dim, embed_dim)
        self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        heads = (B, T, self.num_heads, self.head_dim)
        q = self.q(x).view(heads)
        k = self.k(x).view(heads)
        v = self.v(x).view(heads)

        s = torch.einsum("bthd,bshd->btsh", q, k) * self.head_dim**-0.5
        minus_inf = torch.full((T, T), float("-inf"), device=x.device, dtype=x.dtype)
        s = s + torch.triu(minus_inf, diagonal=1)[None, :, :, None]
        p = self.attn_dropout(torch.softmax(s, dim=2))
        y = torch.einsum("btsh,bshd->bthd", p, v)
        return self.out_dropout(self.o(y.flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.wide = nn.Linear(embed_dim, 4 * embed_dim)
        self.narrow = nn.Linear(4 * embed_dim, embed_dim)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.narrow(self.act(self.wide(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.pre_attn = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.pre_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.pre_attn(x))
        x = x + self.mlp(self.pre_mlp(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.emb_dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.last_norm = nn.LayerNorm(embed_dim)
        self.to_vocab = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        where = torch.arange(idx.shape[1], device=idx.device)
        x = self.emb_dropout(self.emb(idx) + self.pos(where))
        for b in self.blocks:
            x = b(x)
        return self.to_vocab(self.last_norm(x))
