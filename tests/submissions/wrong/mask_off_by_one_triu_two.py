# verdict: fail
# part: CausalSelfAttention
# cause: mask-off-by-one
# style: boolean attn_mask built for F.scaled_dot_product_attention, with diagonal=2 in the triu

import torch
from torch import nn
from torch.nn import functional as F


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, idx):
        b, t = idx.size()
        assert t <= self.block_size
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)
        pos_emb = self.transformer.wpe(pos)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim, bias=False)
        self.ffn = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln1(x))
        x = x + self.ffn(self.ln2(x))
        return x


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.heads = num_heads
        self.dropout_p = dropout_p
        self.to_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.to_out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = (
            t.reshape(b, n, self.heads, c // self.heads).transpose(1, 2)
            for t in self.to_qkv(x).chunk(3, dim=-1)
        )
        # True means "may be attended to"
        blocked = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(diagonal=2)
        dropout = self.dropout_p if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=~blocked, dropout_p=dropout)
        out = self.to_out(out.transpose(1, 2).reshape(b, n, c))
        return F.dropout(out, p=self.dropout_p, training=self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.c_fc(x)
        x = self.gelu(x)
        x = self.c_proj(x)
        return self.dropout(x)
