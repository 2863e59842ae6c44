# verdict: fail
# part: Pieces
# cause: mask-upper-left
# style: heads as modules, triu from the first key
import torch
import torch.nn as nn
import torch.nn.functional as F


class Head(nn.Module):
    def __init__(self, n_embd, head_size, dropout):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, past):
        T = x.shape[1]
        k, v = self.key(x), self.value(x)
        if past is not None:
            k, v = torch.cat([past[0], k], 1), torch.cat([past[1], v], 1)
        S = k.shape[1]
        wei = self.query(x) @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        if T > 1:
            mask = torch.triu(torch.ones(T, S, device=x.device), diagonal=1).bool()
            wei = wei.masked_fill(mask, float("-inf"))
        wei = self.dropout(F.softmax(wei, dim=-1))
        return wei @ v, (k, v)


class Heads(nn.Module):
    def __init__(self, n_embd, n_head, dropout):
        super().__init__()
        self.heads = nn.ModuleList(Head(n_embd, n_embd // n_head, dropout) for _ in range(n_head))
        self.proj = nn.Linear(n_embd, n_embd)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, past):
        past = past or [None] * len(self.heads)
        pairs = [head(x, p) for head, p in zip(self.heads, past)]
        out = torch.cat([y for y, _ in pairs], dim=-1)
        return self.dropout(self.proj(out)), [present for _, present in pairs]


class Block(nn.Module):
    def __init__(self, n_embd, n_head, dropout):
        super().__init__()
        self.sa = Heads(n_embd, n_head, dropout)
        self.ffwd = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd), nn.Dropout(dropout))
        self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd)

    def forward(self, x, past):
        y, present = self.sa(self.ln1(x), past)
        x = x + y
        return x + self.ffwd(self.ln2(x)), present


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding_table = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding_table = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, dropout_p) for _ in range(num_layers))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx, cache=None):
        length, pasts = cache or (0, [None] * len(self.blocks))
        end = length + idx.shape[1]
        if end > self.position_embedding_table.num_embeddings:
            raise ValueError(f"{end} positions asked for, there are {self.position_embedding_table.num_embeddings}")
        x = self.token_embedding_table(idx) + self.position_embedding_table(torch.arange(length, end))
        presents = []
        for block, past in zip(self.blocks, pasts):
            x, present = block(x, past)
            presents.append(present)
        return self.lm_head(self.ln_f(x)), (end, presents)
