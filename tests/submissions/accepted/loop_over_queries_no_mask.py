# verdict: pass
# style: no mask at all: a loop over the queries, query t only ever sees keys[:t+1]; results stacked
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.h = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wk = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wv = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wo = nn.Linear(embed_dim, embed_dim, bias=False)
        self.attn_pdrop = nn.Dropout(dropout_p)
        self.resid_pdrop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        d = C // self.h
        q = self.wq(x).view(B, T, self.h, d)
        k = self.wk(x).view(B, T, self.h, d)
        v = self.wv(x).view(B, T, self.h, d)
        steps = []
        for t in range(T):
            past_k, past_v = k[:, : t + 1], v[:, : t + 1]
            score = (past_k * q[:, t : t + 1]).sum(-1) / d**0.5  # (B, t+1, H)
            weight = self.attn_pdrop(F.softmax(score, dim=1))
            steps.append((weight.unsqueeze(-1) * past_v).sum(1))  # (B, H, d)
        y = torch.stack(steps, dim=1).reshape(B, T, C)
        return self.resid_pdrop(self.wo(y))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.p = dropout_p

    def forward(self, x):
        return F.dropout(self.proj(F.gelu(self.fc(x), approximate="none")), self.p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_attn = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_mlp = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        attn_out = self.attn(self.ln_attn(x))
        x = x + attn_out
        mlp_out = self.mlp(self.ln_mlp(x))
        return x + mlp_out


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.emb_drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0):
        for _ in range(max_new_tokens):
            logits = self(idx[:, -self.block_size :])[:, -1] / temperature
            idx = torch.cat([idx, torch.multinomial(F.softmax(logits, -1), 1)], dim=1)
        return idx

    def forward(self, idx):
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.emb_drop(self.tok_emb(idx) + self.pos_emb(pos))
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
