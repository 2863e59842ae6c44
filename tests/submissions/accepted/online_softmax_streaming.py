# verdict: pass
# style: flash-attention in plain Python: streams over keys with a running max, sum and accumulator
import torch
import torch.nn as nn
import torch.nn.functional as F


def streaming_attention(q, k, v, scale):
    """q, k, v: (B, H, T, D). Keys come one at a time; nothing of size T x T is ever made."""
    T = q.size(2)
    row = torch.arange(T, device=q.device).view(1, 1, T, 1)
    m = torch.full_like(q[..., :1], float("-inf"))  # running max
    total = torch.zeros_like(m)  # running sum of exponentials
    acc = torch.zeros_like(v)
    for j in range(T):
        s = (q * k[:, :, j : j + 1]).sum(-1, keepdim=True) * scale
        s = s.masked_fill(row < j, float("-inf"))
        new_m = torch.maximum(m, s)
        shift = torch.where(m == new_m, torch.zeros_like(m), m - new_m).exp()
        w = torch.where(row < j, torch.zeros_like(s), s - new_m).exp() * (row >= j)
        total = total * shift + w
        acc = acc * shift + w * v[:, :, j : j + 1]
        m = new_m
    return acc / total


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.scale = (embed_dim / num_heads) ** -0.5
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        q, k, v = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for t in self.to_qkv(x).tensor_split(3, dim=-1)
        )
        out = streaming_attention(q, k, v, self.scale)
        return self.dropout(self.to_out(out.transpose(1, 2).flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.fc_out(F.gelu(self.fc_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for i in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tok(idx) + self.pos.weight[None, : idx.size(1)]
        return self.head(self.ln_f(self.blocks(x)))
