# verdict: pass
# style: first-year student, one small step per line, a Python list of heads, chatty comments
import math
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_size = embed_dim // num_heads
        self.make_queries = nn.Linear(embed_dim, embed_dim)
        self.make_keys = nn.Linear(embed_dim, embed_dim)
        self.make_values = nn.Linear(embed_dim, embed_dim)
        self.final = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B = x.shape[0]
        T = x.shape[1]
        Q = self.make_queries(x)
        K = self.make_keys(x)
        V = self.make_values(x)
        # which pairs (i, j) are NOT allowed: j is in the future of i
        forbidden = torch.zeros(T, T, dtype=torch.bool, device=x.device)
        for i in range(T):
            for j in range(T):
                if j > i:
                    forbidden[i, j] = True
        outputs = []
        for h in range(self.num_heads):
            start = h * self.head_size
            end = start + self.head_size
            q = Q[:, :, start:end]
            k = K[:, :, start:end]
            v = V[:, :, start:end]
            scores = q @ k.transpose(1, 2)
            scores = scores / math.sqrt(self.head_size)
            scores = scores.masked_fill(forbidden, float("-inf"))
            probs = torch.softmax(scores, dim=2)
            outputs.append(probs @ v)
        y = torch.cat(outputs, dim=2)
        y = self.final(y)
        y = self.drop(y)
        return y


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.layer1 = nn.Linear(embed_dim, embed_dim * 4)
        self.layer2 = nn.Linear(embed_dim * 4, embed_dim)
        self.activation = nn.GELU()
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = self.layer1(x)
        hidden = self.activation(hidden)
        out = self.layer2(hidden)
        out = self.drop(out)
        return out


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_a = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_b = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        a = self.norm_a(x)
        a = self.attention(a)
        x = x + a  # first shortcut
        m = self.norm_b(x)
        m = self.mlp(m)
        x = x + m  # second shortcut
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.words = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList()
        for i in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.last_norm = nn.LayerNorm(embed_dim)
        self.to_vocab = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        numbers = torch.arange(T, device=idx.device)
        x = self.words(idx) + self.positions(numbers)
        for layer in self.layers:
            x = layer(x)
        x = self.last_norm(x)
        return self.to_vocab(x)
