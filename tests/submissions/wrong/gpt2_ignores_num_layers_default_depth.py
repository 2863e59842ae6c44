# verdict: fail
# part: GPT2
# cause: ignores-num-layers
# style: the depth of GPT-2 small is a constant of the module, the argument is not read
import torch
from torch import nn


N_LAYER = 12  # GPT-2 small


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList([
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(N_LAYER)
        ])
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb.weight[: idx.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Residual(nn.Module):
    """x + fn(norm(x))"""

    def __init__(self, dim, fn):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x):
        return x + self.fn(self.norm(x))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention = Residual(embed_dim, attention)
        self.mlp = Residual(embed_dim, MLP(embed_dim, dropout_p))

    def forward(self, x):
        return self.mlp(self.attention(x))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.dk = embed_dim // num_heads
        self.to_qkv = nn.Linear(embed_dim, embed_dim * 3, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.att_drop = nn.Dropout(dropout_p)
        causal = torch.ones(block_size, block_size, dtype=torch.bool).triu(1)
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, x):
        bsz, seq_len, dim = x.shape
        # (3, bsz, nh, seq_len, hd)
        qkv = self.to_qkv(x).reshape(bsz, seq_len, 3, self.h, self.dk).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        dots = (q * self.dk**-0.5) @ k.mT
        dots = dots.masked_fill(self.causal[:seq_len, :seq_len], torch.finfo(dots.dtype).min)
        attn = self.att_drop(dots.softmax(dim=-1))
        out = (attn @ v).transpose(1, 2).flatten(2)
        return self.to_out(out)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        inner = embed_dim * 4
        self.layers = nn.ModuleDict({
            "fc": nn.Linear(embed_dim, inner, bias=False),
            "act": nn.GELU("tanh"),
            "proj": nn.Linear(inner, embed_dim, bias=False),
            "drop": nn.Dropout(dropout_p),
        })

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


def main():
    model = GPT2(vocab_size=50, embed_dim=16, num_heads=2, num_layers=2, block_size=8)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
