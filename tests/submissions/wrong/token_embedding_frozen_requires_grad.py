# verdict: fail
# part: GPT2
# cause: token-embedding-frozen
# style: bare Parameters, the token table made with requires_grad=False
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(4 * embed_dim))
        self.W_out = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        pre = x @ self.W_in + self.b_in
        post = 0.5 * pre * (1 + torch.erf(pre / math.sqrt(2)))
        return self.drop(post @ self.W_out + self.b_out)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = num_heads
        self.p = dropout_p
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))

    def forward(self, x):
        q, k, v = (
            f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for f in (self.to_q, self.to_k, self.to_v)
        )
        p = self.p if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return self.to_out(out.transpose(1, 2).flatten(2))


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
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.n_ctx, self.n_vocab = block_size, vocab_size
        self.W_E = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02, requires_grad=False)
        self.W_pos = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.trunk = nn.ModuleList()
        for _ in range(num_layers):
            self.trunk.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_final = nn.LayerNorm(embed_dim)
        self.W_U = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)
        self.b_U = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, idx):
        n = idx.shape[-1]
        resid = F.embedding(idx, self.W_E) + self.W_pos[:n]
        for block in self.trunk:
            resid = block(resid)
        return self.ln_final(resid) @ self.W_U + self.b_U
