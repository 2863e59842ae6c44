# verdict: pass
# style: one nn.Parameter (4, C, C) holds q, k, v and the way out, one (4, C) their biases
import torch
import torch.nn as nn
import torch.nn.functional as F

Q, K, V, O = range(4)  # noqa: E741


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.weight = nn.Parameter(torch.empty(4, embed_dim, embed_dim))
        self.bias = nn.Parameter(torch.zeros(4, embed_dim))
        for matrix in self.weight.data:
            nn.init.xavier_normal_(matrix)
        self.dropout_p = dropout_p

    def forward(self, x):
        B, T, C = x.shape
        H, D = self.num_heads, C // self.num_heads
        # (B, 1, T, C) @ (3, C, C) -> (B, 3, T, C)
        qkv = x.unsqueeze(1) @ self.weight[:O] + self.bias[:O].unsqueeze(1)
        qkv = qkv.view(B, 3, T, H, D).transpose(2, 3)  # (B, 3, H, T, D)
        scores = qkv[:, Q] @ qkv[:, K].transpose(-1, -2)  # (B, H, T, T)
        scores = scores / D**0.5
        scores = scores.masked_fill(self.future(T, x.device), float("-inf"))
        probs = F.dropout(scores.softmax(dim=-1), self.dropout_p, self.training)
        y = (probs @ qkv[:, V]).transpose(1, 2).reshape(B, T, C)
        y = y @ self.weight[O] + self.bias[O]
        return F.dropout(y, self.dropout_p, self.training)

    @staticmethod
    def future(T, device):
        steps = torch.arange(T, device=device)
        return steps.unsqueeze(0).gt(steps.unsqueeze(1))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc = nn.Linear(embed_dim, 4 * embed_dim)
        self.proj = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout_p = dropout_p

    def forward(self, x):
        return F.dropout(self.proj(F.gelu(self.fc(x))), self.dropout_p, self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


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
        self.ln_f = nn.LayerNorm(embed_dim, eps=1e-6)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        positions = torch.arange(idx.size(-1), device=idx.device)
        x = self.wte(idx) + self.wpe(positions)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))
