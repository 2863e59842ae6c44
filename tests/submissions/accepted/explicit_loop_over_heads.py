# verdict: pass
# style: full-width q, k, v Linears, then a plain Python loop over heads that slices the channels
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.o_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        batch, seq, dim = x.shape
        all_q, all_k, all_v = self.q_proj(x), self.k_proj(x), self.v_proj(x)

        # mask[i, j] is True if j lies in the future of i
        rows = torch.arange(seq, device=x.device).unsqueeze(1)
        cols = torch.arange(seq, device=x.device).unsqueeze(0)
        mask = cols > rows

        results = []
        for head in range(self.num_heads):
            lo = head * self.head_dim
            hi = lo + self.head_dim
            q = all_q[:, :, lo:hi]
            k = all_k[:, :, lo:hi]
            v = all_v[:, :, lo:hi]
            scores = torch.bmm(q, k.transpose(1, 2)) / (self.head_dim**0.5)
            scores = scores.masked_fill(mask, float("-inf"))
            probs = F.softmax(scores, dim=2)
            probs = F.dropout(probs, p=self.dropout_p, training=self.training)
            results.append(torch.bmm(probs, v))

        merged = torch.cat(results, dim=2)
        return F.dropout(self.o_proj(merged), p=self.dropout_p, training=self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.linear2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        x = F.gelu(self.linear1(x))
        x = self.linear2(x)
        return F.dropout(x, p=self.dropout_p, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        residual = x
        x = self.norm1(x)
        x = self.attn(x)
        x = residual + x

        residual = x
        x = self.norm2(x)
        x = self.mlp(x)
        x = residual + x
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.dropout_p = dropout_p
        self.tok_emb = nn.Embedding(vocab_size, embed_dim)
        self.pos_emb = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList([])
        for i in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.blocks.append(block)
        self.norm = nn.LayerNorm(embed_dim, eps=1e-5)
        self.unembed = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        positions = torch.arange(idx.size(1), device=idx.device).expand_as(idx)
        x = self.tok_emb(idx) + self.pos_emb(positions)
        x = F.dropout(x, p=self.dropout_p, training=self.training)
        for block in self.blocks:
            x = block(x)
        return self.unembed(self.norm(x))
