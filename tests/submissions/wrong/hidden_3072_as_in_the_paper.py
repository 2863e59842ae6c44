# verdict: fail
# part: MLP
# cause: width-const
# style: n_inner hard-coded to GPT-2 small's 3072; setattr-ed heads, register_buffer mask per module
import torch
import torch.nn as nn

N_INNER = 3072  # GPT-2 small


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads, self.d = num_heads, embed_dim // num_heads
        for h in range(num_heads):
            setattr(self, f"qkv{h}", nn.Linear(embed_dim, 3 * self.d))
        self.c_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("mask", torch.ones(block_size, block_size).triu(1) > 0.5)

    def one(self, h, x):
        q, k, v = getattr(self, f"qkv{h}")(x).split(self.d, dim=-1)
        s = q @ k.mT * self.d**-0.5
        s = s.masked_fill(self.mask[: x.size(1), : x.size(1)], float("-inf"))
        return self.dropout(s.softmax(-1)) @ v

    def forward(self, x):
        y = torch.cat([self.one(h, x) for h in range(self.num_heads)], dim=-1)
        return self.dropout(self.c_proj(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, N_INNER)
        self.act = nn.GELU()
        self.c_proj = nn.Linear(N_INNER, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


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
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.num_layers = num_layers
        for i in range(num_layers):
            setattr(self, f"h{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        for i in range(self.num_layers):
            x = getattr(self, f"h{i}")(x)
        return self.lm_head(self.ln_f(x))
