# verdict: fail
# part: TransformerBlock
# cause: norm-shared
# style: Spanish names, pre-norm written as a loop, a single norm reused for both sublayers
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        tam = embed_dim // num_heads
        self.cabezas = num_heads
        self.escala = tam**-0.5
        self.consulta = nn.Linear(embed_dim, embed_dim)
        self.clave_valor = nn.Linear(embed_dim, 2 * embed_dim)
        self.salida = nn.Linear(embed_dim, embed_dim)
        self.olvido = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        partir = lambda z: z.view(B, T, self.cabezas, -1).transpose(1, 2)  # noqa: E731
        q = partir(self.consulta(x)) * self.escala
        k, v = map(partir, self.clave_valor(x).split(C, dim=-1))
        pasado = torch.ones(T, T, device=x.device).tril() > 0
        pesos = (q @ k.transpose(-1, -2)).masked_fill(~pasado, float("-inf")).softmax(-1)
        y = (self.olvido(pesos) @ v).transpose(1, 2).reshape(B, T, C)
        return self.olvido(self.salida(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.entrada = nn.Linear(embed_dim, 4 * embed_dim)
        self.salida = nn.Linear(4 * embed_dim, embed_dim)
        self.olvido = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.olvido(self.salida(nn.functional.gelu(self.entrada(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norma = nn.LayerNorm(embed_dim)
        self.atencion = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.red = MLP(embed_dim, dropout_p)

    def forward(self, x):
        for capa in (self.atencion, self.red):
            x = x + capa(self.norma(x))  # norma antes de cada capa
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
        x = self.palabras(idx) + self.lugares(torch.arange(idx.size(1), device=idx.device))
        for capa in self.capas:
            x = capa(x)
        return self.cabeza(self.norma_final(x))
