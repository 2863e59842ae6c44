# verdict: fail
# part: GPT2
# causes: position-off-by-one softmax-on-logits
# style: position ids in a buffer that count from 1 (clamped to fit); probabilities are returned
import torch
from torch import nn
import torch.nn.functional as F


class SelfAttentionHead(nn.Module):
    def __init__(self, embed_dim, head_dim, dropout_p):
        super().__init__()
        self.head_dim = head_dim
        self.qkv = nn.Linear(embed_dim, 3 * head_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x, mask):
        q, k, v = self.qkv(x).split(self.head_dim, dim=-1)
        scores = q.matmul(k.transpose(1, 2)).div(self.head_dim**0.5)
        scores = scores.masked_fill(mask, float("-inf"))
        return self.dropout(F.softmax(scores, dim=-1)).matmul(v)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = nn.ModuleList(
            [
                SelfAttentionHead(embed_dim, embed_dim // num_heads, dropout_p)
                for _ in range(num_heads)
            ]
        )
        self.linear = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        mask = torch.triu(torch.ones((T, T), device=x.device), diagonal=1).bool()
        y = torch.cat([head(x, mask) for head in self.heads], dim=2)
        return self.dropout(self.linear(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.hidden_layer = nn.Linear(embed_dim, 4 * embed_dim)
        self.output_layer = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.hidden_layer(x)
        x = F.gelu(x)
        x = self.output_layer(x)
        return self.dropout(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(embed_dim)
        self.layer_norm_2 = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, x):
        hidden_state = self.layer_norm_1(x)
        x = x + self.attention(hidden_state)
        x = x + self.feed_forward(self.layer_norm_2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        position_ids = torch.arange(1, block_size + 1).clamp(max=block_size - 1)
        self.register_buffer("position_ids", position_ids)
        self.dropout = nn.Dropout(dropout_p)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        position_ids = self.position_ids[: idx.size(1)]
        x = self.token_embeddings(idx) + self.position_embeddings(position_ids)
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x)
        x = self.layer_norm(x)
        # distribution over the next token
        probs = F.softmax(self.classifier(x), dim=-1)
        return probs
