# verdict: fail
# part: GPT2
# cause: blocks-shared
# style: nn.ModuleList([block] * num_layers): one block, N names; float-mask SDPA
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        self.vqk = nn.Linear(embed_dim, 3 * embed_dim)
        self.merge = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        v, q, k = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for t in self.vqk(x).tensor_split(3, dim=-1)
        )
        future = torch.triu(
            torch.full((x.size(1), x.size(1)), float("-inf"), dtype=x.dtype, device=x.device),
            diagonal=1,
        )
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=future, dropout_p=self.dropout_p if self.training else 0.0
        )
        return F.dropout(self.merge(y.transpose(1, 2).flatten(2)), self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.widen = nn.Linear(embed_dim, 4 * embed_dim)
        self.narrow = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        return F.dropout(self.narrow(F.gelu(self.widen(x))), self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_in = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_mid = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        mid = x + self.attn(self.norm_in(x))
        return mid + self.mlp(self.norm_mid(mid))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
        self.blocks = nn.ModuleList([block] * num_layers)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok(idx) + self.pos(torch.arange(idx.size(1), device=idx.device))
        for b in self.blocks:
            x = b(x)
        return self.head(self.norm(x))
