# verdict: pass
# style: unflatten / movedim / flatten only, v and k fused, dropout on weights and hidden layer
import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.H = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=True)
        self.vk_proj = nn.Linear(embed_dim, 2 * embed_dim, bias=False)
        self.o_proj = nn.Linear(embed_dim, embed_dim, bias=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        q = self.q_proj(x).unflatten(2, (self.H, -1)).movedim(2, 1)
        v, k = self.vk_proj(x).unflatten(2, (2, self.H, -1)).movedim((2, 3), (0, 2)).unbind(0)
        a = q @ k.movedim(-1, -2)
        a = a.mul(k.shape[-1] ** -0.5)
        t = torch.arange(x.shape[1], device=x.device)
        a = a.masked_fill(t.unsqueeze(0).gt(t.unsqueeze(1)), torch.finfo(a.dtype).min)
        a = self.dropout(a.softmax(dim=-1))
        return self.o_proj((a @ v).movedim(1, 2).flatten(start_dim=2))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, embed_dim * 4)
        self.act = nn.GELU("tanh")
        self.drop = nn.Dropout(dropout_p)
        self.fc2 = nn.Linear(embed_dim * 4, embed_dim)

    def forward(self, x):
        return self.fc2(self.drop(self.act(self.fc1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, bias=False)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.norm2 = nn.LayerNorm(embed_dim, bias=False)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim, bias=False)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.embed.weight = self.head.weight  # tied

    def forward(self, idx):
        x = self.embed(idx)
        x = x + self.pos.weight[: x.shape[1]].unsqueeze(0).expand_as(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
