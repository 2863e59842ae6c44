# verdict: pass
# style: a folder that is a package (__init__.py): relative imports, from .layers import MLP
import torch
from torch import nn

from .layers import MLP, LayerNorm
from .self_attention import CausalSelfAttention


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attn_norm = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.mlp_norm = LayerNorm(embed_dim)

    def forward(self, x):
        x = x + self.attn(self.attn_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.words = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        places = torch.arange(idx.shape[1], device=idx.device)
        x = self.words(idx) + self.places(places)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
