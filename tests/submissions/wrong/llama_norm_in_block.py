# verdict: fail
# part: TransformerBlock
# cause: rmsnorm
# style: LLaMA reader: x * rsqrt(mean(x^2)) with weight and bias in the block; wq wk wv wo names
import torch
from torch import nn
import torch.nn.functional as F


class Norm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return x * self.weight + self.bias


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.n_local_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.wq = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.wk = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.wv = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.wo = nn.Linear(num_heads * self.head_dim, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bsz, seqlen, _ = x.shape
        xq, xk, xv = self.wq(x), self.wk(x), self.wv(x)
        xq = xq.view(bsz, seqlen, self.n_local_heads, self.head_dim).transpose(1, 2)
        keys = xk.view(bsz, seqlen, self.n_local_heads, self.head_dim).transpose(1, 2)
        values = xv.view(bsz, seqlen, self.n_local_heads, self.head_dim).transpose(1, 2)
        scores = torch.matmul(xq, keys.transpose(2, 3)) / self.head_dim**0.5
        mask = torch.full((seqlen, seqlen), float("-inf"), device=x.device, dtype=x.dtype)
        scores = F.softmax(scores + torch.triu(mask, diagonal=1), dim=-1)
        output = torch.matmul(F.dropout(scores, self.p, self.training), values)
        output = output.transpose(1, 2).contiguous().view(bsz, seqlen, -1)
        return F.dropout(self.wo(output), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.w2(F.gelu(self.w1(x))), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.attention_norm = Norm(embed_dim)
        self.ffn_norm = Norm(embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.attention_norm(x))
        return h + self.feed_forward(self.ffn_norm(h))


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
        self.tok_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.pos_embeddings = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList()
        for layer_id in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.output = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        h = self.tok_embeddings(idx)
        h = h + self.pos_embeddings(torch.arange(idx.shape[1], device=idx.device))
        for layer in self.layers:
            h = layer(h)
        return self.output(self.norm(h))
