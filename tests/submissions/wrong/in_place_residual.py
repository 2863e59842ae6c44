# verdict: fail
# part: TransformerBlock
# cause: mutates-input
# style: memory saver: residual += in place on the caller's tensor; SDPA, tied head
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.dropout_p = dropout_p

    def forward(self, x):
        p = self.dropout_p if self.training else 0.0
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = (t.transpose(1, 2) for t in qkv.unbind(2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return F.dropout(self.proj(y.transpose(1, 2).flatten(2)), p)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.down = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p, inplace=True)  # on our own fresh tensor

    def forward(self, x):
        return self.dropout(self.down(F.gelu(self.up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim, bias=False)
        self.ln_mlp = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x += self.attn(self.ln_attn(x))
        x = x + self.mlp(self.ln_mlp(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe.weight[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)
