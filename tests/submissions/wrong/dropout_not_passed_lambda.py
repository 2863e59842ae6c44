# verdict: fail
# part: GPT2
# cause: dropout-not-passed
# style: block factory leaves dropout_p out, only the embeddings feel it
import torch
import torch.nn as nn


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        make_block = lambda: TransformerBlock(embed_dim, num_heads, block_size)
        self.transformer = nn.ModuleDict(
            {
                "tokens": nn.Embedding(vocab_size, embed_dim),
                "positions": nn.Embedding(block_size, embed_dim),
                "dropout": nn.Dropout(dropout_p),
                "blocks": nn.ModuleList(make_block() for _ in range(num_layers)),
                "norm": nn.LayerNorm(embed_dim),
            }
        )
        self.unembed = nn.Linear(embed_dim, vocab_size)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def embed(self, idx):
        where = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        return self.transformer["tokens"](idx) + self.transformer["positions"](where)

    def forward(self, idx):
        x = self.transformer["dropout"](self.embed(idx))
        for block in self.transformer["blocks"]:
            x = block(x)
        return self.unembed(self.transformer["norm"](x))


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


class Head(nn.Module):
    """One attention head."""

    def __init__(self, embed_dim, head_size, dropout_p):
        super().__init__()
        self.key = nn.Linear(embed_dim, head_size, bias=False)
        self.query = nn.Linear(embed_dim, head_size, bias=False)
        self.value = nn.Linear(embed_dim, head_size, bias=False)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        T = x.shape[1]
        q, k = self.query(x), self.key(x)
        wei = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        future = torch.triu(torch.ones(T, T, device=x.device), diagonal=1).bool()
        wei = wei.masked_fill(future, float("-inf")).softmax(dim=-1)
        return self.dropout(wei) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        size = embed_dim // num_heads
        self.heads = nn.ModuleList(Head(embed_dim, size, dropout_p) for _ in range(num_heads))
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        out = torch.cat([h(x) for h in self.heads], dim=-1)
        return self.dropout(self.proj(out))


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
