# verdict: pass
# style: ModuleDict for everything (blocks keyed "layer_00", parts keyed by role), sorted by key
import torch
import torch.nn as nn
from torch.nn.functional import softmax


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.lin = nn.ModuleDict({r: nn.Linear(embed_dim, embed_dim) for r in ["v", "q", "o", "k"]})
        self.drop = nn.ModuleDict({"weights": nn.Dropout(dropout_p), "out": nn.Dropout(dropout_p)})
        allow = torch.ones(block_size, block_size, dtype=torch.uint8).tril()
        self.register_buffer("allow", allow)

    def forward(self, x):
        B, T, C = x.shape
        role = {
            r: self.lin[r](x).reshape(B, T, self.heads, C // self.heads).transpose(1, 2)
            for r in "qkv"
        }
        logits = role["q"] @ role["k"].transpose(-1, -2)
        logits = logits / (C // self.heads) ** 0.5
        logits = logits.masked_fill(self.allow[:T, :T].eq(0), float("-inf"))
        mixed = self.drop["weights"](softmax(logits, -1)) @ role["v"]
        return self.drop["out"](self.lin["o"](mixed.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.steps = nn.ModuleDict(
            {
                "expand": nn.Linear(embed_dim, 4 * embed_dim),
                "gelu": nn.GELU(),
                "contract": nn.Linear(4 * embed_dim, embed_dim),
                "dropout": nn.Dropout(dropout_p),
            }
        )

    def forward(self, x):
        for step in self.steps.values():
            x = step(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm = nn.ModuleDict({"mlp": nn.LayerNorm(embed_dim), "attn": nn.LayerNorm(embed_dim)})
        self.branch = nn.ModuleDict(
            {
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )

    def forward(self, x):
        for name, branch in self.branch.items():
            x = x + branch(self.norm[name](x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.ModuleDict(
            {
                "token": nn.Embedding(vocab_size, embed_dim),
                "position": nn.Embedding(block_size, embed_dim),
            }
        )
        self.layers = nn.ModuleDict(
            {
                f"layer_{i:02d}": TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for i in range(num_layers)
            }
        )
        self.end = nn.ModuleDict(
            {
                "norm": nn.LayerNorm(embed_dim),
                "logits": nn.Linear(embed_dim, vocab_size, bias=False),
            }
        )

    def forward(self, idx):
        B, T = idx.shape
        where = torch.arange(T, device=idx.device).unsqueeze(0).expand(B, T)
        x = self.embed["token"](idx) + self.embed["position"](where)
        for key in sorted(self.layers):
            x = self.layers[key](x)
        return self.end["logits"](self.end["norm"](x))
