# verdict: fail
# part: MLP
# cause: width-8x
# style: class attribute `expansion` is 8; kv fused, everything else bias-free functional
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        layers = []
        for _ in range(num_layers):
            layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.layers = nn.ModuleList(layers)
        self.final_norm = nn.LayerNorm(embed_dim)
        self.output = nn.Linear(embed_dim, vocab_size, bias=False)
        self.block_size = block_size
        self.vocab_size = vocab_size

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        """idx (B, T) -> logits (B, T, vocab_size)"""
        batch, seq_len = idx.shape
        positions = torch.arange(seq_len, device=idx.device).unsqueeze(0)
        hidden = self.token_embedding(idx) + self.position_embedding(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = self.final_norm(hidden)
        logits = self.output(hidden)
        return logits


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.input_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.post_attn_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)

    def forward(self, hidden_states):
        residual = hidden_states
        hidden_states = self.self_attn(self.input_norm(hidden_states))
        hidden_states = residual + hidden_states
        residual = hidden_states
        hidden_states = self.feed_forward(self.post_attn_norm(hidden_states))
        return residual + hidden_states


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
    expansion = 8

    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden = self.expansion * embed_dim
        self.up = nn.Linear(embed_dim, hidden, bias=False)
        self.down = nn.Linear(hidden, embed_dim, bias=False)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.down(F.gelu(self.up(x))), self.p, training=self.training)
