# verdict: pass
# style: Chinese comments, head-merged qkv in (H, 3, D) order, softmax over keys on axis -2
import math

import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    """因果自注意力:每个位置只能看到自己和之前的位置。"""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.头数 = num_heads
        self.每头维度 = embed_dim // num_heads
        self.w_qkv = nn.Linear(embed_dim, 3 * embed_dim)  # 按 (头, 角色, 维度) 排列
        self.w_o = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout_p)
        self.res_drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.w_qkv(x).view(B, T, self.头数, 3, self.每头维度)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        # 分数转置存放:行是键,列是查询,所以 softmax 在倒数第二维
        分数 = k @ q.transpose(-2, -1) / math.sqrt(self.每头维度)
        键 = torch.arange(T, device=x.device)[:, None]
        查询 = torch.arange(T, device=x.device)[None, :]
        分数 = 分数.masked_fill(键 > 查询, float("-inf"))
        权重 = self.attn_drop(F.softmax(分数, dim=-2))
        输出 = 权重.transpose(-2, -1) @ v
        return self.res_drop(self.w_o(输出.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    """前馈网络,中间层是四倍宽度。"""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.升维 = nn.Linear(embed_dim, 4 * embed_dim)
        self.降维 = nn.Linear(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.降维(F.gelu(self.升维(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        # 先归一化,再进子层,最后残差相加
        x = x + self.attn(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.词嵌入 = nn.Embedding(vocab_size, embed_dim)
        self.位置嵌入 = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.层 = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.词嵌入.weight  # 权重共享

    def forward(self, idx):
        位置 = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.词嵌入(idx) + self.位置嵌入(位置))
        for 一层 in self.层:
            x = 一层(x)
        return self.lm_head(self.norm(x))
