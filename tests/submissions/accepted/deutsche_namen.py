# verdict: pass
# style: German names and comments, separate scalings of q and k, mask by subtraction of infinity
import torch
import torch.nn as nn
import torch.nn.functional as F


class Schichtnorm(nn.Module):
    """Normiert über die Merkmale (letzte Achse), mit Faktor und Verschiebung."""

    def __init__(self, breite: int):
        super().__init__()
        self.faktor = nn.Parameter(torch.ones(breite))
        self.verschiebung = nn.Parameter(torch.zeros(breite))

    def forward(self, x):
        varianz, mittel = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
        z = (x - mittel) * (varianz + 1e-5).rsqrt()
        return torch.addcmul(self.verschiebung, self.faktor, z)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.köpfe = num_heads
        self.abfrage = nn.Linear(embed_dim, embed_dim)
        self.schlüssel = nn.Linear(embed_dim, embed_dim, bias=False)  # ohne Achsenabschnitt genügt
        self.wert = nn.Linear(embed_dim, embed_dim)
        self.ausgang = nn.Linear(embed_dim, embed_dim)
        self.aussetzen = nn.Dropout(dropout_p)

    def forward(self, x):
        länge = x.size(1)
        kopfbreite = x.size(2) // self.köpfe
        faktor = kopfbreite**-0.25  # je einmal auf Abfrage und Schlüssel

        def aufteilen(z):
            return torch.stack(z.split(kopfbreite, dim=-1), dim=1)  # (B, H, T, D)

        q = aufteilen(self.abfrage(x)) * faktor
        k = aufteilen(self.schlüssel(x)) * faktor
        v = aufteilen(self.wert(x))
        punkte = torch.einsum("...id,...jd->...ij", q, k)
        # die Zukunft bleibt verborgen
        zukunft = torch.full((länge, länge), float("inf"), dtype=x.dtype, device=x.device).triu(1)
        gewichte = self.aussetzen(F.softmax(punkte - zukunft, dim=-1))
        köpfe = (gewichte @ v).unbind(dim=1)
        return self.aussetzen(self.ausgang(torch.cat(köpfe, dim=-1)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.hinauf = nn.Linear(embed_dim, 4 * embed_dim)
        self.hinab = nn.Linear(4 * embed_dim, embed_dim)
        self.aussetzen = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.aussetzen(self.hinab(F.gelu(self.hinauf(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm_eins = Schichtnorm(embed_dim)
        self.aufmerksamkeit = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm_zwei = Schichtnorm(embed_dim)
        self.netz = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.aufmerksamkeit(self.norm_eins(x))
        return x + self.netz(self.norm_zwei(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wörter = nn.Embedding(vocab_size, embed_dim)
        self.plätze = nn.Embedding(block_size, embed_dim)
        self.aussetzen = nn.Dropout(dropout_p)
        self.blöcke = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.schlussnorm = Schichtnorm(embed_dim)
        self.kopf = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        plätze = torch.arange(idx.shape[1], device=idx.device)
        x = self.aussetzen(self.wörter(idx) + self.plätze(plätze))
        for block in self.blöcke:
            x = block(x)
        return self.kopf(self.schlussnorm(x))
