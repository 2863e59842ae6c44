# verdict: pass
# style: softmax as exp(s - logsumexp(s)); output head is a bare (vocab, C) nn.Parameter with a bias
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.qk_proj = nn.Linear(embed_dim, 2 * embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer(
            "visible",
            torch.arange(block_size).view(1, -1) <= torch.arange(block_size).view(-1, 1),
            persistent=False,
        )

    def forward(self, x):
        B, T, C = x.shape
        q, k = self.qk_proj(x).split(C, dim=-1)
        q = q.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        k = k.view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(B, T, self.num_heads, self.head_dim).transpose(1, 2)
        score = q @ k.transpose(2, 3) / self.head_dim**0.5
        score = score.masked_fill(self.visible[:T, :T].logical_not(), float("-inf"))
        log_prob = score - torch.logsumexp(score, dim=-1, keepdim=True)
        y = self.dropout(log_prob.exp()) @ v
        return self.dropout(self.out_proj(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.in_proj = nn.Linear(embed_dim, 4 * embed_dim)
        self.out_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.out_proj(F.gelu(self.in_proj(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn_norm = nn.LayerNorm(embed_dim)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = torch.add(x, self.attn(self.attn_norm(x)))
        x = torch.add(x, self.mlp(self.mlp_norm(x)))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_table = nn.Parameter(torch.randn(block_size, embed_dim).mul(0.02))
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head_weight = nn.Parameter(torch.randn(vocab_size, embed_dim).mul(0.02))
        self.head_bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, idx):
        x = self.embedding(idx) + F.embedding(
            torch.arange(idx.shape[1], device=idx.device), self.pos_table
        )
        for block in self.blocks:
            x = block(x)
        return F.linear(self.final_norm(x), self.head_weight, self.head_bias)
