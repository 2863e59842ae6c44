# verdict: pass
# style: a folder: sibling modules attention.py, feed_forward.py and block.py, imported absolutely
import torch
import torch.nn as nn

from attention import CausalSelfAttention
from block import TransformerBlock
from feed_forward import MLP

__all__ = ["CausalSelfAttention", "MLP", "TransformerBlock", "GPT2"]


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.emb_drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        T = idx.size(1)
        x = self.emb_drop(self.tok_emb(idx) + self.pos_emb(torch.arange(T, device=idx.device)))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))
