# verdict: fail
# part: GPT2
# cause: leak-via-sequence-mean
# style: subtracts the mean over the sequence from the embeddings "to stabilise"; block inlined
import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_attention(x, w_qkv, w_out, heads):
    B, T, C = x.shape
    q, k, v = w_qkv(x).view(B, T, heads, 3, C // heads).permute(3, 0, 2, 1, 4)
    s = torch.einsum("bhtd,bhsd->bhts", q, k) * (C // heads) ** -0.5
    s = torch.where(torch.ones(T, T, device=x.device).tril() > 0, s, -1e30)
    return w_out(torch.einsum("bhts,bhsd->bthd", s.softmax(-1), v).reshape(B, T, C))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.w_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.w_out = nn.Linear(embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(causal_attention(x, self.w_qkv, self.w_out, self.heads))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_up = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w_down = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.w_down(F.gelu(self.w_up(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.w_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.w_out = nn.Linear(embed_dim, embed_dim, bias=False)
        self.w_up = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w_down = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        x = x + self.drop(causal_attention(self.ln_1(x), self.w_qkv, self.w_out, self.heads))
        return x + self.drop(self.w_down(F.gelu(self.w_up(self.ln_2(x)))))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        x = x - x.mean(dim=1, keepdim=True)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
