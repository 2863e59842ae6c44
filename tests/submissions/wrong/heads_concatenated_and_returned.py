# verdict: fail
# part: CausalSelfAttention
# cause: no-out-proj
# style: first-year student, step by step; the concatenated heads are the answer, no output layer
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.number_of_heads = num_heads
        self.head_size = embed_dim // num_heads
        self.Q = nn.Linear(embed_dim, embed_dim)
        self.K = nn.Linear(embed_dim, embed_dim)
        self.V = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        batch, time, channels = x.shape
        q = self.Q(x)
        k = self.K(x)
        v = self.V(x)
        # cut into heads
        q = q.reshape(batch, time, self.number_of_heads, self.head_size)
        k = k.reshape(batch, time, self.number_of_heads, self.head_size)
        v = v.reshape(batch, time, self.number_of_heads, self.head_size)
        q = q.transpose(1, 2)
        k = k.transpose(1, 2)
        v = v.transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3))
        scores = scores / (self.head_size**0.5)
        mask = torch.tril(torch.ones(time, time, device=x.device))
        scores = scores.masked_fill(mask == 0, float("-inf"))
        weights = torch.softmax(scores, dim=3)
        weights = self.dropout(weights)
        result = torch.matmul(weights, v)
        # glue the heads together again
        result = result.transpose(1, 2)
        result = result.reshape(batch, time, channels)
        return result


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layer1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.layer2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.layer1(x)
        x = self.gelu(x)
        x = self.layer2(x)
        x = self.dropout(x)
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        y = self.norm1(x)
        y = self.attention(y)
        x = x + y
        y = self.norm2(x)
        y = self.mlp(y)
        x = x + y
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.output = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        time = idx.shape[1]
        positions = torch.arange(time, device=idx.device)
        x = self.token_embedding(idx)
        x = x + self.position_embedding(positions)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.output(x)
