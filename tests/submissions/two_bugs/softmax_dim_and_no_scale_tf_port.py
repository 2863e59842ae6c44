# verdict: fail
# part: CausalSelfAttention
# causes: softmax-dim no-scale
# style: port of the TensorFlow code with Conv1D; nn.Softmax(dim=2) is the query axis, no rsqrt
import torch
import torch.nn as nn


class Conv1D(nn.Module):
    def __init__(self, nx, nf):
        super().__init__()
        self.w = nn.Parameter(torch.randn(nx, nf) * 0.02)
        self.b = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return torch.addmm(self.b, x.reshape(-1, x.shape[-1]), self.w).view(*x.shape[:-1], -1)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.n_head = num_heads
        self.c_attn = Conv1D(embed_dim, embed_dim * 3)
        self.c_proj = Conv1D(embed_dim, embed_dim)
        self.softmax = nn.Softmax(dim=2)
        self.drop = nn.Dropout(dropout_p)

    def split_heads(self, x):
        # From [batch, sequence, features] to [batch, heads, sequence, features]
        return x.reshape(*x.shape[:2], self.n_head, x.shape[2] // self.n_head).movedim(2, 1)

    def merge_heads(self, x):
        # Reverse of split_heads
        return x.movedim(1, 2).flatten(start_dim=2)

    def mask_attn_weights(self, w):
        # w has shape [batch, heads, dst_sequence, src_sequence]
        nd, ns = w.shape[-2:]
        b = torch.ones(nd, ns, dtype=w.dtype, device=w.device).tril()
        return w * b - 1e10 * (1 - b)

    def multihead_attn(self, q, k, v):
        w = q.matmul(k.transpose(-1, -2))
        w = self.mask_attn_weights(w)
        w = self.softmax(w)
        return self.drop(w).matmul(v)

    def forward(self, x):
        q, k, v = map(self.split_heads, self.c_attn(x).chunk(3, dim=2))
        a = self.merge_heads(self.multihead_attn(q, k, v))
        return self.drop(self.c_proj(a))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.c_fc = Conv1D(embed_dim, embed_dim * 4)
        self.c_proj = Conv1D(embed_dim * 4, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    @staticmethod
    def gelu(x):
        return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))

    def forward(self, x):
        return self.drop(self.c_proj(self.gelu(self.c_fc(x))))


class Norm(nn.Module):
    def __init__(self, n_state, epsilon=1e-5):
        super().__init__()
        self.g = nn.Parameter(torch.ones(n_state))
        self.b = nn.Parameter(torch.zeros(n_state))
        self.epsilon = epsilon

    def forward(self, x):
        u = x.mean(-1, keepdim=True)
        s = (x - u).square().mean(-1, keepdim=True)
        return (x - u) * torch.rsqrt(s + self.epsilon) * self.g + self.b


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_1 = Norm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.ln_2 = Norm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        a = self.attn(self.ln_1(x))
        x = x + a
        m = self.mlp(self.ln_2(x))
        x = x + m
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.wpe = nn.Parameter(torch.randn(block_size, embed_dim) * 0.01)
        self.wte = nn.Parameter(torch.randn(vocab_size, embed_dim) * 0.02)
        for layer in range(num_layers):
            block = TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            self.add_module(f"h{layer}", block)
        self.n_layer = num_layers
        self.ln_f = Norm(embed_dim)

    def forward(self, idx):
        h = self.wte[idx] + self.wpe[: idx.shape[1]]
        for layer in range(self.n_layer):
            h = getattr(self, f"h{layer}")(h)
        h = self.ln_f(h)
        return h @ self.wte.t()
