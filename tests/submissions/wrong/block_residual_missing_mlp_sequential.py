# verdict: fail
# part: TransformerBlock
# cause: residual-missing-mlp
# style: norm and MLP in a Sequential, returned unsummed
import torch
import torch.nn as nn
import torch.nn.functional as F


class TransformerBlock(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn_branch = nn.Sequential(
            nn.LayerNorm(embed_dim),
            CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
        )
        self.mlp_branch = nn.Sequential(nn.LayerNorm(embed_dim), MLP(embed_dim, dropout_p))

    def forward(self, x):
        x = x + self.attn_branch(x)
        x = self.mlp_branch(x)
        return x


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.q_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.k_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.v_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.o_net = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x):
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.q_net(x).view(shape), self.k_net(x).view(shape), self.v_net(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.dropout(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.dropout(self.o_net(vec.flatten(2)))


class MLP(nn.Module):
    """Two linear layers with a GELU in between."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        width = embed_dim * 4
        self.W_up = nn.Parameter(torch.randn(embed_dim, width) * 0.02)
        self.b_up = nn.Parameter(torch.zeros(width))
        self.W_down = nn.Parameter(torch.randn(width, embed_dim) * 0.02)
        self.b_down = nn.Parameter(torch.zeros(embed_dim))
        self.rate = dropout_p

    def forward(self, x):
        y = F.gelu(x @ self.W_up + self.b_up) @ self.W_down + self.b_down
        return F.dropout(y, p=self.rate, training=self.training)


class GPT2(nn.Module):
    """Decoder-only language model; returns raw logits."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token = nn.Embedding(vocab_size, embed_dim)
        self.position = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.Sequential()
        for n in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * embed_dim**-0.5)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.token(idx) + self.position.weight[:T]
        x = self.norm(self.blocks(x))
        return x @ self.W_U
