# verdict: pass
# style: vision person: 1x1 nn.Conv1d on (B, C, T), heads as channel groups, Swin-like names
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.to_qkv = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1, bias=False)
        self.to_out = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.attn_drop = nn.Dropout(dropout_p)
        self.proj_drop = nn.Dropout(dropout_p)
        self.register_buffer("causal", torch.ones(1, 1, block_size, block_size).triu(1).bool())

    def forward(self, x):
        B, T, C = x.shape
        x = x.transpose(1, 2)  # channels first
        q, k, v = (m.reshape(B, self.num_heads, -1, T) for m in self.to_qkv(x).chunk(3, dim=1))
        sim = torch.einsum("bhdi,bhdj->bhij", q * q.size(2) ** -0.5, k)
        sim = sim.masked_fill(self.causal[:, :, :T, :T], float("-inf"))
        attn = self.attn_drop(sim.softmax(dim=-1))
        out = torch.einsum("bhij,bhdj->bhdi", attn, v).reshape(B, C, T)
        return self.proj_drop(self.to_out(out).transpose(1, 2))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.conv1 = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.conv2 = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        x = F.gelu(self.conv1(x.mT))
        return self.drop(self.conv2(x).mT)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        shortcut = x
        x = shortcut + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.patch_embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.pos_drop = nn.Dropout(p=dropout_p)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Conv1d(embed_dim, vocab_size, kernel_size=1, bias=False)

    def forward_features(self, idx):
        x = self.pos_drop(self.patch_embed(idx) + self.pos_embed[:, : idx.size(1)])
        return self.norm(self.blocks(x))

    def forward(self, idx):
        return self.head(self.forward_features(idx).mT).mT
