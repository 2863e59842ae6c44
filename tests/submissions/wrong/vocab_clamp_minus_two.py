# verdict: fail
# part: GPT2
# cause: vocab-clamp
# style: idx clamped to vocab_size - 2 to be safe, one too low
import torch
import torch.nn as nn


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        d = embed_dim // num_heads
        self.scale = d**-0.5
        self.W_Q = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_K = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_V = nn.Parameter(torch.randn(num_heads, embed_dim, d) * 0.02)
        self.W_O = nn.Parameter(torch.randn(num_heads, d, embed_dim) * 0.02)
        self.b_O = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        q = torch.einsum("btc,hcd->bhtd", x, self.W_Q) * self.scale
        k = torch.einsum("btc,hcd->bhtd", x, self.W_K)
        v = torch.einsum("btc,hcd->bhtd", x, self.W_V)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k)
        t = torch.arange(x.shape[1], device=x.device)
        scores = torch.where(t[:, None] >= t[None, :], scores, torch.finfo(x.dtype).min)
        pattern = self.drop(scores.softmax(-1))
        z = torch.einsum("bhqk,bhkd->bhqd", pattern, v)
        return self.drop(torch.einsum("bhqd,hdc->bqc", z, self.W_O) + self.b_O)


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
        idx = idx.clamp(0, self.vocab_size - 2)
        positions = torch.arange(seq_len, device=idx.device).unsqueeze(0)
        hidden = self.token_embedding(idx) + self.position_embedding(positions)
        for layer in self.layers:
            hidden = layer(hidden)
        hidden = self.final_norm(hidden)
        logits = self.output(hidden)
        return logits
