# verdict: pass
# style: mask kept on self as a plain attribute, rebuilt when a longer sequence comes along
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.to_qk = nn.Linear(embed_dim, 2 * embed_dim)
        self.to_v = nn.Linear(embed_dim, embed_dim)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)
        self._mask = None  # (n, n) bool, n = the longest sequence seen so far

    def _future(self, n, device):
        if self._mask is None or self._mask.shape[0] < n or self._mask.device != device:
            self._mask = torch.ones((n, n), dtype=torch.bool, device=device).triu(1)
        return self._mask[:n, :n]

    def forward(self, x):
        B, T, C = x.shape
        split = (B, T, self.num_heads, self.head_dim)
        q, k = (t.reshape(split).transpose(1, 2) for t in self.to_qk(x).chunk(2, dim=-1))
        v = self.to_v(x).reshape(split).transpose(1, 2)
        dots = torch.matmul(q, k.transpose(-1, -2)) * self.head_dim**-0.5
        dots = dots.masked_fill(self._future(T, x.device), float("-inf"))
        attn = self.attn_dropout(F.softmax(dots, dim=-1))
        out = torch.matmul(attn, v).transpose(1, 2).reshape(B, T, C)
        return self.out_dropout(self.to_out(out))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.w_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.w_out(F.gelu(self.w_in(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_a = nn.LayerNorm(embed_dim)
        self.a = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_f = nn.LayerNorm(embed_dim)
        self.f = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.a(self.norm_a(x)) + x
        x = self.f(self.norm_f(x)) + x
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList([])
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm_out = nn.LayerNorm(embed_dim)
        self.proj = nn.Linear(embed_dim, vocab_size, bias=False)
        self._positions = None

    def forward(self, idx):
        T = idx.shape[1]
        p = self._positions
        if p is None or len(p) < T or p.device != idx.device:
            p = self._positions = torch.arange(T, device=idx.device)
        x = self.wte(idx) + self.wpe(p[:T])
        for layer in self.layers:
            x = layer(x)
        return self.proj(self.norm_out(x))
