# verdict: fail
# part: TransformerBlock
# cause: norm-shared
# style: ln1 = ln2 = nn.LayerNorm(...): two names, one module; SDPA with a boolean mask buffer
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dropout_p = dropout_p
        self.w_qkv = nn.Linear(embed_dim, embed_dim * 3)
        self.w_o = nn.Linear(embed_dim, embed_dim)
        full = torch.ones(block_size, block_size, dtype=torch.bool)
        self.register_buffer("keep", torch.tril(full))

    def forward(self, x):
        B, T, C = x.size()
        # (3, B, heads, T, head_dim)
        q, k, v = self.w_qkv(x).view(B, T, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout_p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.keep[:T, :T], dropout_p=rate)
        return self.w_o(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        width = embed_dim * 4
        self.W_up = nn.Parameter(torch.randn(embed_dim, width) * 0.02)
        self.b_up = nn.Parameter(torch.zeros(width))
        self.W_down = nn.Parameter(torch.randn(width, embed_dim) * 0.02)
        self.b_down = nn.Parameter(torch.zeros(embed_dim))
        self.p = dropout_p

    def forward(self, x):
        y = F.gelu(x @ self.W_up + self.b_up) @ self.W_down + self.b_down
        return F.dropout(y, p=self.p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = self.ln2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        h = x + self.attn(self.ln1(x))
        return h + self.mlp(self.ln2(h))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.W_U
