# verdict: fail
# part: MLP
# cause: gelu-on-input
# style: "activation first" habit: act -> fc -> proj; heads in the batch, bmm, Chinese comments
import math
import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.w_q = nn.Linear(embed_dim, embed_dim)
        self.w_k = nn.Linear(embed_dim, embed_dim)
        self.w_v = nn.Linear(embed_dim, embed_dim)
        self.w_o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def transpose_qkv(self, x):
        # (B, T, C) -> (B*H, T, D)
        x = x.reshape(x.shape[0], x.shape[1], self.num_heads, -1).permute(0, 2, 1, 3)
        return x.reshape(-1, x.shape[2], x.shape[3])

    def transpose_output(self, x):
        # 上面操作的逆
        x = x.reshape(-1, self.num_heads, x.shape[1], x.shape[2]).permute(0, 2, 1, 3)
        return x.reshape(x.shape[0], x.shape[1], -1)

    def forward(self, x):
        queries = self.transpose_qkv(self.w_q(x))
        keys = self.transpose_qkv(self.w_k(x))
        values = self.transpose_qkv(self.w_v(x))
        scores = torch.bmm(queries, keys.transpose(1, 2)) / math.sqrt(self.head_dim)
        steps = torch.arange(x.shape[1], device=x.device)
        # 不允许看未来
        scores = scores.masked_fill(steps[None, :] > steps[:, None], -1e9)
        weights = self.dropout(nn.functional.softmax(scores, dim=-1))
        return self.dropout(self.w_o(self.transpose_output(torch.bmm(weights, values))))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.act = nn.GELU(approximate="tanh")
        self.dense1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.dense2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        # 先激活
        return self.dropout(self.dense2(self.dense1(self.act(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def forward(self, x):
        y = x + self.attention(self.norm1(x))
        return y + self.ffn(self.norm2(y))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Parameter(torch.randn(1, block_size, embed_dim) * 0.02)
        self.blks = nn.Sequential()
        for i in range(num_layers):
            self.blks.add_module(
                f"{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.norm = nn.LayerNorm(embed_dim)
        self.dense = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.token_embedding(idx) + self.pos_embedding[:, : idx.shape[1]]
        return self.dense(self.norm(self.blks(x)))
