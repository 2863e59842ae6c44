# verdict: pass
# style: everything by hand: own Linear, LayerNorm, Embedding, Dropout, logsumexp softmax, erf GELU
import math
import torch


class Linear(torch.nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        bound = 1.0 / math.sqrt(n_in)
        self.W = torch.nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound))
        self.b = torch.nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))

    def forward(self, x):
        return torch.matmul(x, self.W.transpose(0, 1)) + self.b


class Norm(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.gamma = torch.nn.Parameter(torch.ones(n))
        self.beta = torch.nn.Parameter(torch.zeros(n))

    def forward(self, x):
        n = x.shape[-1]
        centred = x - x.sum(dim=-1, keepdim=True) / n
        variance = centred.square().sum(dim=-1, keepdim=True) / n
        return centred / (variance + 1e-5).sqrt() * self.gamma + self.beta


class Table(torch.nn.Module):
    def __init__(self, rows, n):
        super().__init__()
        self.rows = torch.nn.Parameter(0.02 * torch.randn(rows, n))

    def forward(self, i):
        return self.rows.index_select(0, i.reshape(-1)).reshape(*i.shape, -1)


class Drop(torch.nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        keep = torch.full_like(x, 1 - self.p)
        return x * torch.bernoulli(keep) / (1 - self.p)


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def softmax_last(s):
    return torch.exp(s - torch.logsumexp(s, dim=-1, keepdim=True))


class CausalSelfAttention(torch.nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError("num_heads must divide embed_dim")
        self.nh, self.dh = num_heads, embed_dim // num_heads
        self.to_q = Linear(embed_dim, embed_dim)
        self.to_k = Linear(embed_dim, embed_dim)
        self.to_v = Linear(embed_dim, embed_dim)
        self.to_out = Linear(embed_dim, embed_dim)
        self.drop_w, self.drop_y = Drop(dropout_p), Drop(dropout_p)

    def heads(self, z):
        B, T, _ = z.shape
        return z.reshape(B, T, self.nh, self.dh).permute(0, 2, 1, 3)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.heads(self.to_q(x)), self.heads(self.to_k(x)), self.heads(self.to_v(x))
        s = torch.matmul(q, k.permute(0, 1, 3, 2)) * (1.0 / math.sqrt(self.dh))
        rows = torch.arange(T, device=x.device).reshape(T, 1)
        cols = torch.arange(T, device=x.device).reshape(1, T)
        s = torch.where(rows >= cols, s, torch.full_like(s, -math.inf))
        w = self.drop_w(softmax_last(s))
        y = torch.matmul(w, v).permute(0, 2, 1, 3).reshape(B, T, C)
        return self.drop_y(self.to_out(y))


class MLP(torch.nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = Linear(embed_dim, 4 * embed_dim)
        self.contract = Linear(4 * embed_dim, embed_dim)
        self.drop = Drop(dropout_p)

    def forward(self, x):
        return self.drop(self.contract(gelu(self.expand(x))))


class TransformerBlock(torch.nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.norm1, self.norm2 = Norm(embed_dim), Norm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x


class GPT2(torch.nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens, self.places = Table(vocab_size, embed_dim), Table(block_size, embed_dim)
        self.drop = Drop(dropout_p)
        for n in range(num_layers):
            self.add_module(
                "block_%d" % n, TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
            )
        self.num_layers = num_layers
        self.norm, self.head = Norm(embed_dim), Linear(embed_dim, vocab_size)

    def forward(self, idx):
        where = torch.arange(idx.shape[1], device=idx.device)
        x = self.drop(self.tokens(idx) + self.places(where))
        for n in range(self.num_layers):
            x = getattr(self, "block_%d" % n)(x)
        return self.head(self.norm(x))
