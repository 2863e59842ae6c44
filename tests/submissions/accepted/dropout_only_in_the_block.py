# verdict: pass
# style: no dropout in the parts; the block applies F.dropout(training=self.training) to each branch
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        # dropout_p is the business of the block
        self.num_heads = num_heads
        self.scale = (embed_dim // num_heads) ** 0.5
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.register_buffer("causal", torch.ones(1, block_size, block_size).tril() == 1)

    def forward(self, x):
        B, T, C = x.shape

        def to_heads(z):
            # (B, T, C) -> (B * H, T, D)
            z = z.reshape(B, T, self.num_heads, C // self.num_heads)
            return z.transpose(1, 2).flatten(0, 1)

        q, k, v = map(to_heads, self.qkv(x).chunk(3, dim=-1))
        w = torch.bmm(q / self.scale, k.transpose(1, 2))
        w = torch.where(self.causal[:, :T, :T], w, float("-inf")).softmax(-1)
        y = torch.bmm(w, v).unflatten(0, (B, self.num_heads))
        return self.wo(y.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x):
        return self.w2(F.gelu(self.w1(x)))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.n1 = nn.LayerNorm(embed_dim)
        self.n2 = nn.LayerNorm(embed_dim)
        self.att = CausalSelfAttention(embed_dim, num_heads, block_size)
        self.ffn = MLP(embed_dim)

    def forward(self, x):
        x = x + F.dropout(self.att(self.n1(x)), p=self.p, training=self.training)
        x = x + F.dropout(self.ffn(self.n2(x)), p=self.p, training=self.training)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.p = dropout_p
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.embed_pos = nn.Parameter(torch.randn(block_size, embed_dim) / 50)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.n_out = nn.LayerNorm(embed_dim)
        self.w_out = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.embed(idx) + self.embed_pos[None, : idx.size(1)]
        x = F.dropout(x, p=self.p, training=self.training)
        for blk in self.blocks:
            x = blk(x)
        return self.w_out(self.n_out(x))
