# verdict: fail
# part: TransformerBlock
# cause: parallel-block
# style: GPT-J fan: x + attn(ln_1(x)) + mlp(ln_2(x)), both branches fed by the same x
import torch
import torch.nn as nn
import torch.nn.functional as F


def split_heads(t, n):
    return t.reshape(*t.shape[:-1], n, t.shape[-1] // n).transpose(1, 2)


def merge_heads(t):
    return t.transpose(1, 2).flatten(-2)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_attention_heads = num_heads
        self.scale_attn = (embed_dim // num_heads) ** 0.5
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        causal = torch.ones((block_size, block_size), dtype=torch.bool).tril()
        self.register_buffer("bias", causal[None, None], persistent=False)

    def forward(self, x):
        n = self.num_attention_heads
        q, k, v = (split_heads(f(x), n) for f in (self.q_proj, self.k_proj, self.v_proj))
        w = torch.matmul(q, k.transpose(-1, -2)) / self.scale_attn
        T = x.size(1)
        w = torch.where(self.bias[:, :, :T, :T], w, torch.finfo(w.dtype).min)
        w = self.attn_dropout(F.softmax(w, dim=-1))
        return self.resid_dropout(self.out_proj(merge_heads(torch.matmul(w, v))))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc_out = nn.Linear(4 * embed_dim, embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.fc_out(self.act(self.fc_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        attn_output = self.attn(self.ln_1(x))
        feed_forward = self.mlp(self.ln_2(x))
        return x + attn_output + feed_forward


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.h = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device)))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
