# verdict: pass
# style: one Linear sliced as v | k | q, masked_fill with -1e9, heads through torch.stack(split)
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    """Masked multi-head self-attention. One big matrix holds values, keys and queries."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super(CausalSelfAttention, self).__init__()
        self.C = embed_dim
        self.H = num_heads
        self.D = embed_dim // num_heads
        self.vkq_proj = nn.Linear(embed_dim, embed_dim * 3)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(p=dropout_p)
        self.out_drop = nn.Dropout(p=dropout_p)
        causal = torch.ones(block_size, block_size, dtype=torch.bool).tril()
        self.register_buffer("causal", causal)

    def heads(self, z):
        # (B, T, C) -> (H, B, T, D): head first, then batch
        return torch.stack(z.split(self.D, dim=-1), dim=0)

    def forward(self, x):
        T = x.shape[1]
        vkq = self.vkq_proj(x)
        v = self.heads(vkq[..., : self.C])
        k = self.heads(vkq[..., self.C : 2 * self.C])
        q = self.heads(vkq[..., 2 * self.C :])
        score = torch.einsum("hbid,hbjd->hbij", q, k).div(self.D**0.5)
        score = score.masked_fill(~self.causal[:T, :T], -1e9)
        prob = self.attn_drop(score.softmax(-1))
        out = torch.cat(list(prob @ v), dim=-1)  # concatenates the heads: (B, T, C)
        return self.out_drop(self.out_proj(out))


class MLP(nn.Module):
    """Two layers, four times as wide in the middle."""

    def __init__(self, embed_dim, dropout_p=0.0):
        super(MLP, self).__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm residual block."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super(TransformerBlock, self).__init__()
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffwd = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.sa(self.ln1(x))
        x = x + self.ffwd(self.ln2(x))
        return x


class GPT2(nn.Module):
    """Embeddings, blocks, norm, head."""

    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super(GPT2, self).__init__()
        self.token_embedding_table = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding_table = nn.Embedding(block_size, embed_dim)
        blocks = []
        for _ in range(num_layers):
            blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.blocks = nn.Sequential(*blocks)
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        B, T = idx.shape
        tok_emb = self.token_embedding_table(idx)  # (B, T, C)
        pos_emb = self.position_embedding_table(torch.arange(T, device=idx.device))  # (T, C)
        x = tok_emb + pos_emb
        x = self.blocks(x)
        x = self.ln_f(x)
        return self.lm_head(x)
