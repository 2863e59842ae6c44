# verdict: pass
# style: weights and tables in nn.ParameterDict ("w_q", "b_q", ...); softmax by hand
import torch
import torch.nn as nn


def weight(rows, cols):
    return nn.Parameter(torch.randn(rows, cols) * 0.02)


def zeros(n):
    return nn.Parameter(torch.zeros(n))


def layer_norm(x, params):
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = (centred * centred).mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(variance + 1e-5) * params["gain"] + params["shift"]


def norm_params(n):
    return nn.ParameterDict({"gain": nn.Parameter(torch.ones(n)), "shift": zeros(n)})


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.params = nn.ParameterDict()
        for role in "qkvo":
            self.params["w_" + role] = weight(embed_dim, embed_dim)
            self.params["b_" + role] = zeros(embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def project(self, x, role):
        y = x @ self.params["w_" + role] + self.params["b_" + role]
        return y.reshape(x.shape[0], x.shape[1], self.num_heads, -1).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self.project(x, role) for role in "qkv")
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        rank = torch.arange(x.shape[1], device=x.device)
        scores = scores.masked_fill(rank[None, :] > rank[:, None], float("-inf"))
        unnormalised = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        weights = unnormalised / unnormalised.sum(dim=-1, keepdim=True)
        y = (self.dropout(weights) @ v).transpose(1, 2).reshape(x.shape)
        return self.dropout(y @ self.params["w_o"] + self.params["b_o"])


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.params = nn.ParameterDict(
            {
                "w_in": weight(embed_dim, 4 * embed_dim),
                "b_in": zeros(4 * embed_dim),
                "w_out": weight(4 * embed_dim, embed_dim),
                "b_out": zeros(embed_dim),
            }
        )
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        p = self.params
        h = x @ p["w_in"] + p["b_in"]
        # GELU: h times the standard normal distribution function of h
        h = h * 0.5 * torch.erfc(-h * 0.5**0.5)
        return self.dropout(h @ p["w_out"] + p["b_out"])


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.ln_attn = norm_params(embed_dim)
        self.ln_mlp = norm_params(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        x = x + self.attn(layer_norm(x, self.ln_attn))
        return x + self.mlp(layer_norm(x, self.ln_mlp))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tables = nn.ParameterDict(
            {
                "tokens": weight(vocab_size, embed_dim),
                "positions": weight(block_size, embed_dim),
                "head": weight(embed_dim, vocab_size),
            }
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, block_size, dropout_p) for _ in range(num_layers)
        )
        self.ln = norm_params(embed_dim)

    def forward(self, idx):
        x = self.tables["tokens"][idx] + self.tables["positions"][: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return layer_norm(x, self.ln) @ self.tables["head"]
