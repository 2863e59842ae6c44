# verdict: fail
# part: TransformerBlock
# cause: not-implemented
# style: everything is computed and nothing returned; heads left in third place, never transposed
import torch
import torch.nn.functional as F
from torch import nn


def init_weights(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head, self.d_head = num_heads, embed_dim // num_heads
        self.q_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.k_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.v_net = nn.Linear(embed_dim, self.n_head * self.d_head, bias=False)
        self.o_net = nn.Linear(self.n_head * self.d_head, embed_dim, bias=False)
        self.dropout = nn.Dropout(dropout_p)
        steps = torch.arange(block_size)
        self.register_buffer("hidden", steps[None, :] > steps[:, None], persistent=False)

    def forward(self, x):
        shape = (x.size(0), x.size(1), self.n_head, self.d_head)
        q, k, v = self.q_net(x).view(shape), self.k_net(x).view(shape), self.v_net(x).view(shape)
        score = torch.einsum("bihd,bjhd->bhij", q, k) / self.d_head**0.5
        score.masked_fill_(self.hidden[: shape[1], : shape[1]], float("-inf"))
        prob = self.dropout(score.softmax(dim=-1))
        vec = torch.einsum("bhij,bjhd->bihd", prob, v)
        return self.dropout(self.o_net(vec.flatten(2)))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.up = nn.Linear(embed_dim, 4 * embed_dim)
        self.down = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        h = F.gelu(self.up(x), approximate="tanh")
        return self.dropout(self.down(h))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        x = x + self.mlp(self.ln2(x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(vocab_size, embed_dim)
        self.wpe = nn.Embedding(block_size, embed_dim)
        self.blocks = nn.ModuleList()
        for _ in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.ln_f = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying
        self.apply(init_weights)

    def forward(self, idx):
        T = idx.size(1)
        assert T <= self.block_size, "sequence longer than block_size"
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))[None]
        for blk in self.blocks:
            x = blk(x)
        x = self.ln_f(x)
        return self.lm_head(x)
