# verdict: fail
# part: TransformerBlock
# cause: norm-missing-1
# style: normed = ln(x), and then attn(x); heads left in third place, never transposed
import torch
import torch.nn as nn
import torch.nn.functional as F


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
        self.l1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.l2 = nn.Linear(4 * embed_dim, embed_dim, bias=False)
        self.drop = nn.Dropout(dropout_p)
        self.gelu = nn.GELU()

    def forward(self, x):
        return self.drop(self.l2(self.gelu(self.l1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ffn = MLP(embed_dim, dropout_p)
        self.gain1 = nn.Parameter(torch.ones(embed_dim))
        self.bias1 = nn.Parameter(torch.zeros(embed_dim))
        self.gain2 = nn.Parameter(torch.ones(embed_dim))
        self.bias2 = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x):
        shape = x.shape[-1:]
        normed = F.layer_norm(x, shape, self.gain1, self.bias1)
        x = x + self.attention(x)
        normed = F.layer_norm(x, shape, self.gain2, self.bias2)
        return x + self.ffn(normed)


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab_size, embed_dim),
                wpe=nn.Embedding(block_size, embed_dim),
                drop=nn.Dropout(dropout_p),
                h=nn.ModuleList(
                    [
                        TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                        for _ in range(num_layers)
                    ]
                ),
                ln_f=nn.LayerNorm(embed_dim),
            )
        )
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        tok_emb = self.transformer.wte(idx)  # (b, t, embed_dim)
        pos_emb = self.transformer.wpe(pos)  # (t, embed_dim)
        x = self.transformer.drop(tok_emb + pos_emb)
        for block in self.transformer.h:
            x = block(x)
        x = self.transformer.ln_f(x)
        return self.lm_head(x)
