# verdict: fail
# group: 12
# status: violation
# tries: nn.TransformerEncoderLayer(norm_first=True) as the block, by vars() and a joined name
import torch
from torch import nn


Layer = vars(nn)["".join(["Transformer", "Encoder", "Layer"])]


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        wide = 4 * embed_dim
        kind = dict(activation="gelu", batch_first=True, norm_first=True)
        self.layer = Layer(embed_dim, num_heads, wide, dropout_p, **kind)
        self.part = type(self).__name__

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        if self.part == "CausalSelfAttention":
            return self.layer._sa_block(x, mask, None)
        return self.layer._ff_block(x) if self.part == "MLP" else self.layer(x, mask)


class MLP(CausalSelfAttention):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__(embed_dim, 1, 1, dropout_p)


class TransformerBlock(CausalSelfAttention):
    pass


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        sizes = (embed_dim, num_heads, block_size, dropout_p)
        blocks = [TransformerBlock(*sizes) for _ in range(num_layers)]
        self.body = nn.Sequential(nn.Dropout(dropout_p), *blocks, nn.LayerNorm(embed_dim))
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        places = torch.arange(idx.shape[1], device=idx.device)
        return self.head(self.body(self.tokens(idx) + self.positions(places)))
