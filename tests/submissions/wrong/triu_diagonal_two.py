# verdict: fail
# part: CausalSelfAttention
# cause: mask-off-by-one
# style: boolean triu with diagonal=2, interleaved fused projection, einsum, German comments
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    """Kausale Selbstaufmerksamkeit."""

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.köpfe = num_heads
        self.ein = nn.Linear(embed_dim, 3 * embed_dim)
        self.aus = nn.Linear(embed_dim, embed_dim)
        self.aus_p = dropout_p
        # alles oberhalb der Diagonale ist verboten
        verboten = torch.ones(block_size, block_size, dtype=torch.bool).triu(diagonal=2)
        self.register_buffer("verboten", verboten, persistent=False)

    def forward(self, x):
        B, T, C = x.shape
        qkv = self.ein(x).view(B, T, self.köpfe, 3, C // self.köpfe)
        q, k, v = qkv.unbind(dim=3)
        s = torch.einsum("bihd,bjhd->bhij", q, k) / (C // self.köpfe) ** 0.5
        w = s.masked_fill(self.verboten[:T, :T], float("-inf")).softmax(dim=-1)
        w = F.dropout(w, self.aus_p, self.training)
        y = torch.einsum("bhij,bjhd->bihd", w, v).reshape(B, T, C)
        return F.dropout(self.aus(y), self.aus_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.breit = nn.Linear(embed_dim, 4 * embed_dim)
        self.schmal = nn.Linear(4 * embed_dim, embed_dim)
        self.aus_p = dropout_p

    def forward(self, x):
        return F.dropout(self.schmal(F.gelu(self.breit(x))), self.aus_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.aufmerksamkeit = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.netz = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.aufmerksamkeit(self.norm1(x))
        return x + self.netz(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wort = nn.Embedding(vocab_size, embed_dim)
        self.platz = nn.Embedding(block_size, embed_dim)
        self.schichten = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.kopf = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        x = self.wort(idx) + self.platz.weight[: idx.size(1)]
        for schicht in self.schichten:
            x = schicht(x)
        return self.kopf(self.norm(x))
