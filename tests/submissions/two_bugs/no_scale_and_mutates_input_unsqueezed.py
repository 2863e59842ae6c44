# verdict: fail
# part: CausalSelfAttention
# causes: no-scale mutates-input
# style: a stack of matrices per head, broadcast matmul; x.unsqueeze_ gives the caller another shape
import torch
import torch.nn as nn


def glorot(*shape):
    weight = torch.empty(*shape)
    nn.init.xavier_uniform_(weight.view(-1, shape[-1]))
    return nn.Parameter(weight)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        self.query = glorot(num_heads, embed_dim, head_dim)
        self.key = glorot(num_heads, embed_dim, head_dim)
        self.value = glorot(num_heads, embed_dim, head_dim)
        self.output = glorot(num_heads, head_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.size(1)
        x = x.unsqueeze_(1)  # (B, 1, T, C): the heads broadcast
        q = x @ self.query  # (B, H, T, D)
        k = x @ self.key
        v = x @ self.value
        scores = q @ k.transpose(-1, -2)  # (B, H, T, T)
        rows = torch.arange(T, device=x.device)
        future = rows[None, :] > rows[:, None]
        probs = scores.masked_fill(future, -1e9).softmax(dim=-1)
        heads = self.dropout(probs) @ v
        return self.dropout((heads @ self.output).sum(dim=1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w_in = glorot(embed_dim, 4 * embed_dim)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w_out = glorot(4 * embed_dim, embed_dim)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.gelu = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = self.gelu(x @ self.w_in + self.b_in)
        return self.dropout(hidden @ self.w_out + self.b_out)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.before_attention = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.before_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        a = x + self.attention(self.before_attention(x))
        return a + self.mlp(self.before_mlp(a))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = glorot(vocab_size, embed_dim)
        self.positions = glorot(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.logits = glorot(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.tokens[idx] + self.positions[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.logits
