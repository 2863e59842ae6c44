# verdict: fail
# part: TransformerBlock
# causes: post-norm residual-missing-attn
# style: torch's nn.TransformerEncoderLayer from memory, _sa_block and _ff_block; one "x +" is lost
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.nhead = num_heads
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = dropout_p

    def forward(self, x: Tensor) -> Tensor:
        bsz, tgt_len, d_model = x.shape
        shape = (bsz, tgt_len, self.nhead, d_model // self.nhead)
        q, k, v = [p.reshape(shape).transpose(1, 2) for p in self.in_proj(x).split(d_model, -1)]
        dropout_p = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, None, dropout_p, True)
        return self.out_proj(out.transpose(1, 2).reshape(bsz, tgt_len, d_model))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        dim_feedforward = 4 * embed_dim
        self.linear1 = nn.Linear(embed_dim, dim_feedforward)
        self.dropout = nn.Dropout(dropout_p)
        self.linear2 = nn.Linear(dim_feedforward, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(F.gelu(self.linear1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.dropout1 = nn.Dropout(dropout_p)
        self.dropout2 = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self._sa_block(x))
        x = self.norm2(x + self._ff_block(x))
        return x

    def _sa_block(self, x: Tensor) -> Tensor:
        return self.dropout1(self.self_attn(x))

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self.feed_forward(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.generator = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: Tensor) -> Tensor:
        positions = torch.arange(idx.size(1), device=idx.device)
        output = self.dropout(self.embedding(idx) + self.pos_embedding(positions))
        for mod in self.layers:
            output = mod(output)
        return self.generator(self.norm(output))
