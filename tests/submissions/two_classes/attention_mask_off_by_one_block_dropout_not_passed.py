# verdict: fail
# causes: CausalSelfAttention:mask-off-by-one TransformerBlock:dropout-not-passed
# style: mask by comparing aranges, col <= row + 1; the block forgets its dropout_p
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads

        self.c_qkv = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.c_out = nn.Linear(embed_dim, embed_dim, bias=False)

        self.attn_dropout = nn.Dropout(dropout_p)
        self.out_dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        H, D = self.num_heads, self.head_dim

        qkv = self.c_qkv(x)
        q = qkv[..., :C].reshape(B, T, H, D).swapaxes(1, 2)
        k = qkv[..., C : 2 * C].reshape(B, T, H, D).swapaxes(1, 2)
        v = qkv[..., 2 * C :].reshape(B, T, H, D).swapaxes(1, 2)

        row = torch.arange(T, device=x.device).unsqueeze(1)
        col = torch.arange(T, device=x.device).unsqueeze(0)
        can_see = col <= row + 1

        attn = (q @ k.swapaxes(-1, -2)) * D**-0.5
        attn = attn.masked_fill(can_see.logical_not(), float("-inf"))
        attn = self.attn_dropout(F.softmax(attn, dim=-1))

        out = (attn @ v).swapaxes(1, 2).reshape(B, T, C)
        return self.out_dropout(self.c_out(out))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.c_up = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.c_down = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.c_down(self.act(self.c_up(x))))


class TransformerBlock(nn.Module):
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim)
        self.ln_2 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size)
        self.mlp = MLP(embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


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
        self.vocab_size = vocab_size
        self.block_size = block_size

        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.emb_dropout = nn.Dropout(dropout_p)

        blocks = [
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.tok_emb.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        B, T = idx.shape
        if T > self.block_size:
            raise ValueError("sequence is longer than block_size")

        pos = torch.arange(T, device=idx.device)
        x = self.emb_dropout(self.tok_emb(idx) + self.pos_emb(pos)[None])
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
