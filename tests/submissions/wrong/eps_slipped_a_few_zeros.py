# verdict: fail
# part: TransformerBlock
# cause: eps-too-large
# style: nn.LayerNorm(C, 1e-1) where 1e-5 was meant; einops-like letters, chunked heads by stack
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Dropout(dropout_p))
        self.attend = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        n = x.shape[1]
        q, k, v = (
            torch.stack(t.chunk(self.h, dim=-1), dim=1)  # b h n d
            for t in self.to_qkv(x).chunk(3, dim=-1)
        )
        dots = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
        causal = torch.ones((n, n), dtype=torch.bool, device=x.device).triu(1)
        attn = self.dropout(self.attend(dots.masked_fill(causal, -torch.finfo(dots.dtype).max)))
        out = torch.einsum("bhij,bhjd->bhid", attn, v)
        return self.to_out(torch.cat(out.unbind(dim=1), dim=-1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0, mult=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_dim, embed_dim * mult),
            nn.GELU(),
            nn.Dropout(dropout_p),
            nn.Linear(embed_dim * mult, embed_dim),
            nn.Dropout(dropout_p),
        )

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, 1e-1)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim, 1e-1)
        self.ff = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = self.attn(self.norm1(x)) + x
        x = self.ff(self.norm2(x)) + x
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList([])
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.to_logits = nn.Sequential(
            nn.LayerNorm(embed_dim), nn.Linear(embed_dim, vocab_size, bias=False)
        )

    def forward(self, idx):
        x = self.token_emb(idx)
        x = x + self.pos_emb(torch.arange(x.shape[1], device=x.device)).unsqueeze(0)
        for block in self.layers:
            x = block(x)
        return self.to_logits(x)
