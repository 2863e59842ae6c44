# verdict: fail
# part: TransformerBlock
# cause: hard-coded-heads
# style: four heads, as in the example of the brief; heads left in third place, never transposed
import math

import torch
import torch.nn as nn


class Conv1D(nn.Module):
    def __init__(self, nf, nx):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nx, nf).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(
            *x.shape[:-1], self.weight.size(1)
        )


def new_gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.Wq = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wk = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wv = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.Wo = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.Wq(x).view(shape), self.Wk(x).view(shape), self.Wv(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.drop(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.drop(self.Wo(vec.flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.c_fc = Conv1D(4 * embed_dim, embed_dim)
        self.c_proj = Conv1D(embed_dim, 4 * embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = new_gelu(self.c_fc(x))
        h = self.c_proj(h)
        return self.dropout(h)


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, 4, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + self.attn(self.norm1(x))
        return y + self.ffn(self.norm2(y))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.register_buffer("position_ids", torch.arange(block_size), persistent=False)
        self.embd_drop = nn.Dropout(dropout_p)
        self.num_layers = num_layers
        for i in range(num_layers):
            self.add_module(
                f"block{i}", TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        positions = self.position_ids[: idx.size(1)]
        hidden = self.embd_drop(self.word_embeddings(idx) + self.position_embeddings(positions))
        for i in range(self.num_layers):
            hidden = getattr(self, f"block{i}")(hidden)
        return self.classifier(self.final_layer_norm(hidden))
