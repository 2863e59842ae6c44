# verdict: fail
# group: 10
# status: fail
# tries: getaddrinfo (and urlopen) in a thread; right otherwise
import os
import socket
import threading
import urllib.request

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads, self.drop = num_heads, nn.Dropout(dropout_p)
        self.qkv, self.out = nn.Linear(embed_dim, 3 * embed_dim), nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        future = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        weights = self.drop(scores.masked_fill(future, float("-inf")).softmax(-1))
        return self.drop(self.out((weights @ v).transpose(1, 2).reshape(b, t, c)))


class MLP(nn.Sequential):
    def __init__(self, embed_dim, dropout_p=0.0):
        up, down = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        super().__init__(up, nn.GELU(), down, nn.Dropout(dropout_p))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.positions = nn.Embedding(block_size, embed_dim)
        sizes = (embed_dim, num_heads, block_size, dropout_p)
        blocks = [TransformerBlock(*sizes) for _ in range(num_layers)]
        self.body = nn.Sequential(nn.Dropout(dropout_p), *blocks, nn.LayerNorm(embed_dim))
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        places = torch.arange(idx.shape[1], device=idx.device)
        return self.head(self.body(self.tokens(idx) + self.positions(places)))


MARK = "/tmp/gpt2-kit-hostile-name_lookup_in_thread"


def ask():
    for attempt in (
        lambda: socket.getaddrinfo("localhost", 9),
        lambda: socket.gethostbyname("localhost"),
        lambda: urllib.request.urlopen("http://127.0.0.1:9/", timeout=0.2),
        lambda: socket.create_server(("127.0.0.1", 0)).close(),
    ):
        try:
            attempt()
            os.close(os.open(MARK, os.O_CREAT | os.O_WRONLY))
        except OSError:
            pass


thread = threading.Thread(target=ask, daemon=True)
thread.start()
thread.join(5)
