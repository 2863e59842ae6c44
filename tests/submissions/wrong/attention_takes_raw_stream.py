# verdict: fail
# part: TransformerBlock
# cause: norm-missing-1
# style: dictionary of parts; ln["attn"] exists but the attention is given x itself
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H = num_heads
        self.kqv = nn.Linear(embed_dim, 3 * embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.register_buffer("ok", torch.ones(block_size, block_size, dtype=torch.uint8).tril())

    def forward(self, x):
        B, T, C = x.shape
        k, q, v = (t.reshape(B, T, self.H, -1).transpose(1, 2) for t in self.kqv(x).chunk(3, -1))
        s = (q @ k.mT) * (self.H / C) ** 0.5
        s = s.masked_fill(self.ok[:T, :T] == 0, torch.finfo(s.dtype).min)
        y = self.dropout(s.softmax(-1)) @ v
        return self.dropout(self.o(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.i = nn.Linear(embed_dim, 4 * embed_dim)
        self.o = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.o(F.gelu(self.i(x), approximate="tanh")))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.fn = nn.ModuleDict(
            {
                "attn": CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p),
                "mlp": MLP(embed_dim, dropout_p),
            }
        )
        self.ln = nn.ModuleDict({"attn": nn.LayerNorm(embed_dim), "mlp": nn.LayerNorm(embed_dim)})

    def forward(self, x):
        x = x + self.fn["attn"](x)
        x = x + self.fn["mlp"](self.ln["mlp"](x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.emb = nn.ModuleDict(
            {"tok": nn.Embedding(vocab_size, embed_dim), "pos": nn.Embedding(block_size, embed_dim)}
        )
        self.blocks = nn.ModuleDict(
            {
                str(i): TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for i in range(num_layers)
            }
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.emb["tok"](idx) + self.emb["pos"](torch.arange(idx.size(1), device=idx.device))
        for block in self.blocks.values():
            x = block(x)
        return self.head(self.ln_f(x))
