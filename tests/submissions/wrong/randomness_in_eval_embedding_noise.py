# verdict: fail
# part: GPT2
# cause: randomness-in-eval
# style: Gaussian noise on the embeddings in train and eval alike
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.H, self.D = num_heads, embed_dim // num_heads
        self.wq = nn.Linear(embed_dim, embed_dim)
        self.wkv = nn.Linear(embed_dim, 2 * embed_dim)
        self.wo = nn.Linear(embed_dim, embed_dim)
        self.attn_p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        key, value = self.wkv(x).chunk(2, dim=-1)
        query = self.wq(x).reshape(B, T, self.H, self.D)
        key = key.reshape(B, T, self.H, self.D)
        value = value.reshape(B, T, self.H, self.D)
        logits = torch.einsum("bihd,bjhd->bhij", query, key) / self.D**0.5
        allowed = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        logits = logits.masked_fill(allowed.logical_not(), -torch.inf)
        weights = F.dropout(logits.softmax(dim=3), self.attn_p, self.training)
        mixed = torch.einsum("bhij,bjhd->bihd", weights, value).reshape(B, T, C)
        return F.dropout(self.wo(mixed), self.attn_p, self.training)


class MLP(nn.Module):
    expansion = 4

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = self.expansion * embed_dim
        self.up = nn.Linear(embed_dim, hidden, bias=False)
        self.down = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.down(F.gelu(self.up(x))), self.p, training=self.training)


class TransformerBlock(nn.Module):
    """Pre-norm block: two sublayers, each on a residual branch."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)])
        self.sublayers = nn.ModuleList(
            [
                CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                MLP(embed_dim, dropout_p),
            ]
        )

    def forward(self, x):
        for norm, sublayer in zip(self.norms, self.sublayers):
            x = x + sublayer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.blocks = nn.Sequential(
            *[
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        T = idx.shape[1]
        x = self.tok_emb(idx) + self.pos_emb[:T]
        x = x + 0.02 * torch.randn_like(x)
        x = self.blocks(x)
        return self.head(self.norm(x))
