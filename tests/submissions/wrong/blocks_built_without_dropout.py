# verdict: fail
# part: GPT2
# cause: dropout-not-passed
# style: dropout_p reaches the embedding dropout only, the blocks are built with their default 0.0
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.attn_dropout = nn.Dropout(dropout_p)
        self.resid_dropout = nn.Dropout(dropout_p)
        self.weights = nn.ParameterDict(
            {
                name: nn.Parameter(torch.randn(embed_dim, embed_dim) * embed_dim**-0.5)
                for name in ("q", "k", "v", "o")
            }
        )
        self.register_buffer(
            "bias",
            torch.zeros(block_size, block_size).masked_fill_(
                torch.ones(block_size, block_size).triu_(1).bool(), float("-inf")
            ),
        )

    def forward(self, x):
        B, T, C = x.shape
        w = self.weights
        q, k, v = ((x @ w[n]).view(B, T, self.num_heads, -1).transpose(1, 2) for n in "qkv")
        a = torch.add(self.bias[:T, :T], q @ k.mT, alpha=(C // self.num_heads) ** -0.5)
        y = self.attn_dropout(F.softmax(a, dim=-1)) @ v
        return self.resid_dropout(y.transpose(1, 2).reshape(B, T, C) @ w["o"])


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.proj(F.gelu(self.fc(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.emb_dropout = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [TransformerBlock(embed_dim, num_heads, block_size) for _ in range(num_layers)]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.emb_dropout(self.tok_emb(idx) + self.pos_emb(pos))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))
