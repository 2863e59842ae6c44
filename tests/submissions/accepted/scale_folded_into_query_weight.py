# verdict: pass
# style: French comments; scale folded into the query weight at each forward
import math
import torch
from torch import nn
from torch.nn.functional import linear, softmax, dropout, gelu


class CausalSelfAttention(nn.Module):
    """Attention causale : on plie l'échelle dans les poids de la requête avant la projection."""

    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{embed_dim=} n'est pas un multiple de {num_heads=}")
        self.n_tetes = num_heads
        self.taille = embed_dim // num_heads
        self.poids = nn.Parameter(torch.empty(3, num_heads, self.taille, embed_dim))
        self.biais = nn.Parameter(torch.zeros(3, num_heads, self.taille))
        nn.init.normal_(self.poids, std=1 / math.sqrt(embed_dim))
        self.sortie = nn.Linear(embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        facteur = torch.tensor([self.taille**-0.5, 1.0, 1.0], dtype=x.dtype, device=x.device)
        w = (self.poids * facteur.view(3, 1, 1, 1)).reshape(3 * C, C)
        b = (self.biais * facteur.view(3, 1, 1)).reshape(3 * C)
        q, k, v = linear(x, w, b).view(B, T, 3, self.n_tetes, self.taille).unbind(dim=2)
        scores = torch.einsum("bihd,bjhd->hbij", q, k)
        # le futur est interdit
        uns = torch.ones(T, T, device=x.device)
        futur = uns.cumsum(0) < uns.cumsum(1)
        scores = scores.masked_fill(futur, -math.inf)
        y = torch.einsum("hbij,bjhd->bihd", dropout(softmax(scores, -1), self.p, self.training), v)
        return dropout(self.sortie(y.reshape(B, T, C)), self.p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0):
        super().__init__()
        self.montee = nn.Linear(embed_dim, 4 * embed_dim)
        self.descente = nn.Linear(4 * embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(self.descente(gelu(self.montee(x))), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0):
        super().__init__()
        self.normes = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        avant, apres = self.normes
        x = x + self.attention(avant(x))
        return x + self.mlp(apres(x))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ):
        super().__init__()
        self.mots = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(block_size, embed_dim)
        self.couches = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norme = nn.LayerNorm(embed_dim)
        self.tete = nn.Linear(embed_dim, vocab_size, bias=False)
        self.tete.weight = self.mots.weight
        self.p = dropout_p

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.mots(idx) + self.places.weight.narrow(0, 0, idx.size(1))
        x = dropout(x, self.p, self.training)
        for couche in self.couches:
            x = couche(x)
        return self.tete(self.norme(x))
