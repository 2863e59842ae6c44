# verdict: fail
# part: GPT2
# cause: position-uses-batch-index
# style: idx.size(0) for idx.size(1): positions numbered by example; French comments
import torch
import torch.nn as nn
from torch.nn.functional import gelu


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.tetes = num_heads
        self.echelle = (embed_dim // num_heads) ** -0.25
        self.requete = nn.Linear(embed_dim, embed_dim)
        self.cle = nn.Linear(embed_dim, embed_dim)
        self.valeur = nn.Linear(embed_dim, embed_dim)
        self.sortie = nn.Linear(embed_dim, embed_dim)
        self.oubli = nn.Dropout(dropout_p)

    def forward(self, x):
        n = x.size(1)
        en_tetes = lambda z: z.unflatten(2, (self.tetes, -1)).transpose(1, 2)  # noqa: E731
        q = en_tetes(self.requete(x)) * self.echelle
        k = en_tetes(self.cle(x)) * self.echelle
        v = en_tetes(self.valeur(x))
        # pas de regard vers le futur
        masque = torch.full((n, n), -torch.inf, dtype=x.dtype, device=x.device).triu(1)
        poids = self.oubli(torch.softmax(q @ k.transpose(-1, -2) + masque, dim=-1))
        return self.oubli(self.sortie((poids @ v).transpose(1, 2).flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.large = nn.Linear(embed_dim, 4 * embed_dim)
        self.etroite = nn.Linear(4 * embed_dim, embed_dim)
        self.oubli = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.oubli(self.etroite(gelu(self.large(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norme_a = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norme_b = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.norme_a(x))
        x = x + self.mlp(self.norme_b(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.mots = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.couches = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norme = nn.LayerNorm(embed_dim)
        self.tete = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        numeros = torch.arange(idx.size(0), device=idx.device)
        numeros = numeros.unsqueeze(1)  # pour que l'addition se diffuse
        x = self.mots(idx) + self.places(numeros)
        for couche in self.couches:
            x = couche(x)
        return self.tete(self.norme(x))
