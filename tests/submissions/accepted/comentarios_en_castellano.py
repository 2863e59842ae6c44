# verdict: pass
# style: Spanish names, one Linear per head and role in ModuleLists, mask grown on demand and cached
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        tam = embed_dim // num_heads
        self.raiz = tam**0.5
        self.consultas = nn.ModuleList(nn.Linear(embed_dim, tam) for _ in range(num_heads))
        self.claves = nn.ModuleList(nn.Linear(embed_dim, tam) for _ in range(num_heads))
        self.valores = nn.ModuleList(nn.Linear(embed_dim, tam) for _ in range(num_heads))
        self.salida = nn.Linear(embed_dim, embed_dim)
        self.olvido = nn.Dropout(dropout_p)
        self._mascara = None  # se guarda la más grande vista hasta ahora

    def mascara(self, n, dispositivo):
        m = self._mascara
        if m is None or m.size(0) < n or m.device != dispositivo:
            m = torch.ones(n, n, dtype=torch.bool, device=dispositivo).triu(1)
            self._mascara = m
        return m[:n, :n]

    def forward(self, x):
        prohibido = self.mascara(x.size(1), x.device)
        cabezas = []
        for consulta, clave, valor in zip(self.consultas, self.claves, self.valores):
            # parecido entre cada consulta y cada clave
            parecido = torch.bmm(consulta(x), clave(x).transpose(1, 2)) / self.raiz
            parecido = parecido.masked_fill(prohibido, float("-inf"))
            pesos = self.olvido(parecido.softmax(dim=-1))
            cabezas.append(torch.bmm(pesos, valor(x)))
        return self.olvido(self.salida(torch.cat(cabezas, dim=-1)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.ancha = nn.Linear(embed_dim, 4 * embed_dim)
        self.estrecha = nn.Linear(4 * embed_dim, embed_dim)
        self.activacion = nn.GELU()
        self.olvido = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.olvido(self.estrecha(self.activacion(self.ancha(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norma_atencion = nn.LayerNorm(embed_dim)
        self.atencion = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norma_red = nn.LayerNorm(embed_dim)
        self.red = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.atencion(self.norma_atencion(x))  # primera suma residual
        x = x + self.red(self.norma_red(x))  # segunda suma residual
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.palabras = nn.Embedding(vocab_size, embed_dim)
        self.lugares = nn.Embedding(block_size, embed_dim)
        self.capas = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.norma_final = nn.LayerNorm(embed_dim)
        self.cabeza = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        lugar = torch.arange(idx.size(1), device=idx.device)
        x = self.palabras(idx) + self.lugares(lugar)
        for capa in self.capas:
            x = capa(x)
        return self.cabeza(self.norma_final(x))
