# verdict: fail
# part: TransformerBlock
# cause: dropout-ignored
# style: dropout left to the block, which applies it to the attention branch and forgets the MLP one
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dim, embed_dim)
        self.k = nn.Linear(embed_dim, embed_dim)
        self.v = nn.Linear(embed_dim, embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        rows = torch.arange(block_size).unsqueeze(1)
        self.register_buffer("later", torch.arange(block_size).unsqueeze(0) > rows)

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.num_heads
        q = self.q(x).view(B, T, self.num_heads, d)
        k = self.k(x).view(B, T, self.num_heads, d)
        v = self.v(x).view(B, T, self.num_heads, d)
        e = torch.einsum("bqhd,bkhd->bhqk", [q, k]) / d**0.5
        e = e.masked_fill(self.later[:T, :T], float("-1e20"))
        a = torch.softmax(e, dim=3)
        return self.o(torch.einsum("bhqk,bkhd->bqhd", [a, v]).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.feed_forward = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
        )

    def forward(self, x):
        return self.feed_forward(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = x + self.dropout(self.attention(self.norm1(x)))
        x = x + self.mlp(self.norm2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.fc_out = nn.Linear(embed_dim, vocab_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx):
        N, seq_length = idx.shape
        positions = torch.arange(0, seq_length, device=idx.device).expand(N, seq_length)
        out = self.dropout(self.word_embedding(idx) + self.position_embedding(positions))
        for layer in self.layers:
            out = layer(out)
        return self.fc_out(self.norm(out))
