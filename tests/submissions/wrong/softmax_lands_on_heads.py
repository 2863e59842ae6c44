# verdict: fail
# part: CausalSelfAttention
# cause: softmax-over-heads
# style: einsum puts the heads last (b t s h), then softmax(-1) takes them for the keys
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        D = embed_dim // num_heads
        self.q_w = nn.Parameter(torch.empty(embed_dim, num_heads, D))
        self.k_w = nn.Parameter(torch.empty(embed_dim, num_heads, D))
        self.v_w = nn.Parameter(torch.empty(embed_dim, num_heads, D))
        self.o_w = nn.Parameter(torch.empty(num_heads, D, embed_dim))
        for w in self.parameters():
            nn.init.normal_(w, std=embed_dim**-0.5)
        self.attn_drop, self.out_drop = nn.Dropout(dropout_p), nn.Dropout(dropout_p)
        self.register_buffer("causal", torch.ones(block_size, block_size).tril().bool())

    def forward(self, x):
        T = x.shape[1]
        q = torch.einsum("btc,chd->bthd", x, self.q_w)
        k = torch.einsum("bsc,chd->bshd", x, self.k_w)
        v = torch.einsum("bsc,chd->bshd", x, self.v_w)
        att = torch.einsum("bthd,bshd->btsh", q, k) / k.shape[-1] ** 0.5
        att = att.masked_fill(~self.causal[:T, :T, None], -1e9)
        att = self.attn_drop(torch.softmax(att, dim=-1))
        return self.out_drop(torch.einsum("btsh,bshd,hdc->btc", att, v, self.o_w))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.gelu = nn.GELU()
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.fc2(self.gelu(self.fc1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_a = nn.LayerNorm(embed_dim, bias=False)
        self.ln_m = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_a(x))
        x = x + self.mlp(self.ln_m(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = nn.LayerNorm(embed_dim, bias=False)
        self.decoder = nn.Linear(embed_dim, vocab_size, bias=False)
        self.decoder.weight = self.word_emb.weight

    def forward(self, idx):
        positions = torch.arange(idx.shape[1], device=idx.device)[None]
        x = self.word_emb(idx) + self.pos_emb(positions)
        for b in self.blocks:
            x = b(x)
        return self.decoder(self.ln(x))
