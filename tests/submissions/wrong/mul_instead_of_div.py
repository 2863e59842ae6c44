# verdict: fail
# part: CausalSelfAttention
# cause: scale-multiplied
# style: separate Linears, additive mask made on the fly, .mul where .div was meant
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q = nn.Linear(embed_dim, embed_dim)
        self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.p = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        split = (B, T, self.num_heads, self.head_dim)
        q = self.q(x).view(split).permute(0, 2, 1, 3)
        k = self.k(x).view(split).permute(0, 2, 3, 1)
        v = self.v(x).view(split).permute(0, 2, 1, 3)
        s = torch.matmul(q, k).mul(self.head_dim**0.5)
        s = s + torch.full((T, T), float("-inf"), dtype=s.dtype, device=s.device).triu(1)
        y = torch.matmul(self.p(s.softmax(-1)), v)
        return self.p(self.o(y.permute(0, 2, 1, 3).reshape(B, T, C)))


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.na = nn.LayerNorm(embed_dim)
        self.nm = nn.LayerNorm(embed_dim)

    def forward(self, x):
        y = x + self.attn(self.na(x))
        return y + self.mlp(self.nm(y))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb.weight[None, : idx.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(self.final(x))
