import torch, torch.nn as nn

class OneHead(nn.Module):
    def __init__(self, C, D, S, p):
        super().__init__()
        self.key, self.query, self.value = nn.Linear(C, D), nn.Linear(C, D), nn.Linear(C, D)
        self.register_buffer("tril", torch.tril(torch.ones(S, S)))
        self.dropout = nn.Dropout(p)
    def forward(self, x):
        T = x.shape[1]
        k, q = self.key(x), self.query(x)
        w = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        w = w.masked_fill(self.tril[:T, :T] == 0, float("-inf")).softmax(-1)
        return self.dropout(w) @ self.value(x)

class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.heads = nn.ModuleList([OneHead(embed_dim, embed_dim // num_heads, block_size, dropout_p) for _ in range(num_heads)])
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
    def forward(self, x):
        return self.dropout(self.proj(torch.cat([h(x) for h in self.heads], -1)))

class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Conv1d(embed_dim, 4 * embed_dim, 1)
        self.fc2 = nn.Conv1d(4 * embed_dim, embed_dim, 1)
        self.dropout = nn.Dropout(dropout_p)
    def forward(self, x):
        return self.dropout(self.fc2(nn.functional.gelu(self.fc1(x.transpose(1, 2)))).transpose(1, 2))

class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.sa = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffwd = MLP(embed_dim, dropout_p)
        self.ln1, self.ln2 = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
    def forward(self, x):
        x = x + self.sa(self.ln1(x))
        return x + self.ffwd(self.ln2(x))

class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding_table = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding_table = nn.Parameter(torch.randn(block_size, embed_dim))
        self.blocks = nn.ModuleList([TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)])
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size)
        self.drop = nn.Dropout(dropout_p)
    def forward(self, idx):
        x = self.drop(self.token_embedding_table(idx) + self.position_embedding_table[:idx.shape[1]])
        for b in self.blocks:
            x = b(x)
        return self.lm_head(self.ln_f(x))
