# verdict: fail
# part: MLP
# causes: silu width-8x
# style: MLP of 1x1 convolutions made by a vision person; heads are the last axis of the scores
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.dim_head = embed_dim // num_heads
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=False)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.p = dropout_p
        index = torch.arange(block_size)
        self.register_buffer("causal", index.view(-1, 1) >= index)

    def forward(self, x):
        q = self.q_proj(x).unflatten(2, (self.num_heads, self.dim_head))
        k = self.k_proj(x).unflatten(2, (self.num_heads, self.dim_head))
        v = self.v_proj(x).unflatten(2, (self.num_heads, self.dim_head))
        # (B, T, S, H): queries, keys, heads
        sim = torch.einsum("bthd,bshd->btsh", q, k).div(self.dim_head**0.5)
        allowed = self.causal[: x.size(1), : x.size(1), None]
        sim = sim.masked_fill(allowed.logical_not(), torch.finfo(sim.dtype).min)
        attn = F.dropout(sim.softmax(dim=2), self.p, self.training)
        y = torch.einsum("btsh,bshd->bthd", attn, v).flatten(2)
        return F.dropout(self.out_proj(y), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = nn.Conv1d(embed_dim, embed_dim * 8, kernel_size=1)
        self.reduce = nn.Conv1d(embed_dim * 8, embed_dim, kernel_size=1)
        self.p = dropout_p

    def forward(self, x):
        y = x.transpose(1, 2)  # (B, C, T)
        y = self.reduce(F.silu(self.expand(y)))
        return F.dropout(y.transpose(1, 2), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_a = nn.LayerNorm(embed_dim)
        self.token_mixer = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_b = nn.LayerNorm(embed_dim)
        self.channel_mixer = MLP(embed_dim, dropout_p)

    def forward(self, x):
        identity = x
        out = self.token_mixer(self.norm_a(x))
        out = out + identity
        identity = out
        out = self.channel_mixer(self.norm_b(out))
        return out + identity


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(block_size, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.stages = nn.Sequential()
        for i in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.stages.add_module(f"stage{i + 1}", block)
        self.norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        features = self.token_embed(idx) + self.pos_embed[None, : idx.shape[-1]]
        features = self.stages(features)
        return self.classifier(self.norm(features))
