# verdict: fail
# causes: MLP:tanh-activation GPT2:no-position
# style: nn.Parameter everywhere, four-axis fused weight; only the tokens are embedded
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        head_dim = embed_dim // num_heads
        self.w_qkv = nn.Parameter(torch.empty(3, embed_dim, num_heads, head_dim))
        self.b_qkv = nn.Parameter(torch.zeros(3, num_heads, 1, head_dim))
        self.w_out = nn.Parameter(torch.empty(num_heads, head_dim, embed_dim))
        self.b_out = nn.Parameter(torch.zeros(embed_dim))
        for w in (self.w_qkv, self.w_out):
            nn.init.normal_(w, std=0.02)
        self.dropout_p = dropout_p
        self.temperature = head_dim**0.5

    def forward(self, x):
        # s: q, k or v; b, t, c: batch, time, channel; n, d: head and its channel
        qkv = torch.einsum("btc,scnd->sbntd", x, self.w_qkv) + self.b_qkv[:, None]
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = torch.einsum("bntd,bnsd->bnts", q, k) / self.temperature
        t = torch.arange(x.shape[1], device=x.device)
        scores[..., t[:, None] < t[None, :]] = float("-inf")
        weights = F.dropout(scores.softmax(-1), self.dropout_p, self.training)
        y = torch.einsum("bnts,bnsd,ndc->btc", weights, v, self.w_out) + self.b_out
        return F.dropout(y, self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(embed_dim, 4 * embed_dim) * 0.02)
        self.b1 = nn.Parameter(torch.zeros(4 * embed_dim))
        self.w2 = nn.Parameter(torch.randn(4 * embed_dim, embed_dim) * 0.02)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.dropout_p = dropout_p

    def forward(self, x):
        h = torch.tanh(x @ self.w1 + self.b1)
        return F.dropout(h @ self.w2 + self.b2, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)
        self.gamma = nn.ParameterList([torch.ones(embed_dim), torch.ones(embed_dim)])
        self.beta = nn.ParameterList([torch.zeros(embed_dim), torch.zeros(embed_dim)])

    def forward(self, x):
        for sublayer, g, b in zip((self.attn, self.mlp), self.gamma, self.beta):
            x = x + sublayer(F.layer_norm(x, g.shape, g, b))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.w_embed = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.gamma = nn.Parameter(torch.ones(embed_dim))
        self.beta = nn.Parameter(torch.zeros(embed_dim))
        self.w_unembed = nn.Parameter(torch.randn(embed_dim, vocab_size) * 0.02)

    def forward(self, idx):
        x = F.embedding(idx, self.w_embed)
        for block in self.blocks:
            x = block(x)
        return F.layer_norm(x, self.gamma.shape, self.gamma, self.beta) @ self.w_unembed
