# verdict: pass
# style: F.layer_norm on the module's own Parameters; head tied by F.linear(x, self.wte.weight)
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head, self.hs = num_heads, embed_dim // num_heads
        self.attn_w = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.attn_b = nn.Parameter(torch.zeros(3 * embed_dim))
        self.proj_w = nn.Parameter(torch.empty(embed_dim, embed_dim))
        self.proj_b = nn.Parameter(torch.zeros(embed_dim))
        nn.init.xavier_uniform_(self.attn_w)
        nn.init.xavier_uniform_(self.proj_w)
        self.dropout_p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        qkv = F.linear(x, self.attn_w, self.attn_b)
        q, k, v = qkv.view(B, T, 3, self.n_head, self.hs).permute(2, 0, 3, 1, 4)
        att = q @ k.transpose(-2, -1) / self.hs**0.5
        hide = torch.ones_like(att, dtype=torch.bool).triu(diagonal=1)
        att = F.softmax(att.masked_fill(hide, float("-inf")), dim=-1)
        att = F.dropout(att, self.dropout_p, self.training)
        y = (att @ v).transpose(1, 2).reshape(B, T, C)
        return F.dropout(F.linear(y, self.proj_w, self.proj_b), self.dropout_p, self.training)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc_w = nn.Parameter(torch.empty(4 * embed_dim, embed_dim))
        self.fc_b = nn.Parameter(torch.zeros(4 * embed_dim))
        self.proj_w = nn.Parameter(torch.empty(embed_dim, 4 * embed_dim))
        self.proj_b = nn.Parameter(torch.zeros(embed_dim))
        nn.init.xavier_uniform_(self.fc_w)
        nn.init.xavier_uniform_(self.proj_w)
        self.dropout_p = dropout_p

    def forward(self, x):
        x = F.gelu(F.linear(x, self.fc_w, self.fc_b))
        x = F.linear(x, self.proj_w, self.proj_b)
        return F.dropout(x, self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1_w = nn.Parameter(torch.ones(embed_dim))
        self.ln1_b = nn.Parameter(torch.zeros(embed_dim))
        self.ln2_w = nn.Parameter(torch.ones(embed_dim))
        self.ln2_b = nn.Parameter(torch.zeros(embed_dim))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        shape = x.shape[-1:]
        x = x + self.attn(F.layer_norm(x, shape, self.ln1_w, self.ln1_b))
        x = x + self.mlp(F.layer_norm(x, shape, self.ln2_w, self.ln2_b))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.ln_w = nn.Parameter(torch.ones(embed_dim))
        self.ln_b = nn.Parameter(torch.zeros(embed_dim))
        self.dropout_p = dropout_p

    def forward(self, idx):
        B, T = idx.shape
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        x = F.dropout(x, self.dropout_p, self.training)
        for block in self.blocks:
            x = block(x)
        x = F.layer_norm(x, (x.size(-1),), self.ln_w, self.ln_b)
        return F.linear(x, self.wte.weight)
