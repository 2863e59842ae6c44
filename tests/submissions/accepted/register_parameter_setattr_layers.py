# verdict: pass
# style: register_parameter in loops, layers put on with setattr (h0, h1, ...)
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        for role in ("query", "key", "value", "output"):
            weight = nn.Parameter(torch.empty(embed_dim, embed_dim))
            self.register_parameter(f"{role}_weight", weight)
            self.register_parameter(f"{role}_bias", nn.Parameter(torch.zeros(embed_dim)))
            nn.init.trunc_normal_(getattr(self, f"{role}_weight"), std=0.02)
        self.register_buffer("lookahead", torch.triu(torch.ones(block_size, block_size), 1).bool())
        self.dropout = nn.Dropout(dropout_p)

    def project(self, role, x):
        return F.linear(x, getattr(self, f"{role}_weight"), getattr(self, f"{role}_bias"))

    def split(self, x):
        b, t, c = x.size()
        return x.view(b, t, self.num_heads, c // self.num_heads).transpose(1, 2)

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = (self.split(self.project(role, x)) for role in ("query", "key", "value"))
        att = torch.einsum("bhqd,bhkd->bhqk", q, k) / (c // self.num_heads) ** 0.5
        att[..., self.lookahead[:t, :t]] = float("-inf")
        att = self.dropout(att.softmax(-1))
        y = torch.einsum("bhqk,bhkd->bqhd", att, v).reshape(b, t, c)
        return self.dropout(self.project("output", y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        for name, (n_out, n_in) in {"up": (4, 1), "down": (1, 4)}.items():
            shape = (n_out * embed_dim, n_in * embed_dim)
            self.register_parameter(name, nn.Parameter(0.02 * torch.randn(shape)))
            self.register_parameter(name + "_bias", nn.Parameter(torch.zeros(shape[0])))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = F.gelu(F.linear(x, self.up, self.up_bias))
        return self.dropout(F.linear(x, self.down, self.down_bias))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        setattr(self, "attn", CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p))
        setattr(self, "mlp", MLP(embed_dim, dropout_p))
        for name in ("attn", "mlp"):
            setattr(self, f"ln_{name}", nn.LayerNorm(embed_dim))

    def forward(self, x):
        for name in ("attn", "mlp"):
            x = x + getattr(self, name)(getattr(self, f"ln_{name}")(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.register_parameter("wte", nn.Parameter(0.02 * torch.randn(vocab_size, embed_dim)))
        self.register_parameter("wpe", nn.Parameter(0.01 * torch.randn(block_size, embed_dim)))
        self.layer_names = [f"h{i}" for i in range(num_layers)]
        for name in self.layer_names:
            setattr(self, name, TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.register_parameter("head", nn.Parameter(0.02 * torch.randn(vocab_size, embed_dim)))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx):
        x = self.dropout(F.embedding(idx, self.wte) + self.wpe[: idx.size(-1)])
        for name in self.layer_names:
            x = getattr(self, name)(x)
        return F.linear(self.ln_f(x), self.head)
