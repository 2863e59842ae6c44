# verdict: pass
# style: nn.ParameterList of weights and of biases ([q, k, v, o], each (out, in)), zipped in forward
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        bound = embed_dim**-0.5
        self.ws = nn.ParameterList(
            torch.empty(embed_dim, embed_dim).uniform_(-bound, bound) for _ in range(4)
        )
        self.bs = nn.ParameterList(torch.zeros(embed_dim) for _ in range(4))
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("neg", torch.triu(torch.full((block_size, block_size), -1e9), 1))

    def forward(self, x):
        B, T, C = x.shape
        *inputs, (w_o, b_o) = zip(self.ws, self.bs)
        q, k, v = [
            F.linear(x, w, b).view(B, T, self.num_heads, C // self.num_heads).transpose(1, 2)
            for w, b in inputs
        ]
        scale = q.shape[-1] ** -0.5
        p = F.softmax(scale * q @ k.transpose(-2, -1) + self.neg[:T, :T], dim=-1)
        y = (self.dropout(p) @ v).transpose(1, 2).reshape(B, T, C)
        return self.dropout(F.linear(y, w_o, b_o))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        sizes = [embed_dim, 4 * embed_dim, embed_dim]
        self.ws = nn.ParameterList()
        self.bs = nn.ParameterList()
        for n_in, n_out in zip(sizes, sizes[1:]):
            self.ws.append(nn.Parameter(torch.randn(n_out, n_in) * n_in**-0.5))
            self.bs.append(nn.Parameter(torch.zeros(n_out)))
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = F.gelu(F.linear(x, self.ws[0], self.bs[0]))
        return self.dropout(F.linear(x, self.ws[1], self.bs[1]))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.gains = nn.ParameterList(torch.ones(embed_dim) for _ in range(2))
        self.shifts = nn.ParameterList(torch.zeros(embed_dim) for _ in range(2))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        for f, gain, shift in zip((self.attn, self.mlp), self.gains, self.shifts):
            x = x + f(F.layer_norm(x, gain.shape, gain, shift, eps=1e-5))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tables = nn.ParameterList(
            [
                torch.randn(vocab_size, embed_dim) * 0.02,
                torch.randn(block_size, embed_dim) * 0.02,
            ]
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=True)

    def forward(self, idx):
        tokens, positions = self.tables
        x = F.embedding(idx, tokens) + positions[: idx.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
