import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class CausalSelfAttention(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError("embed_dim must be divisible by num_heads")
        self.value = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads

    def split_heads(self, t: Tensor) -> Tensor:
        """(B, T, C) -> (B, H, T, D)"""
        B, T, _ = t.shape
        return t.view(B, T, self.num_heads, self.head_dim).permute(0, 2, 1, 3)

    def merge_heads(self, t: Tensor) -> Tensor:
        """(B, H, T, D) -> (B, T, C)"""
        B, H, T, D = t.shape
        return t.permute(0, 2, 1, 3).reshape(B, T, H * D)

    def forward(self, x: Tensor) -> Tensor:
        T = x.size(1)
        v = self.split_heads(self.value(x))
        k = self.split_heads(self.key(x))
        q = self.split_heads(self.query(x)) * self.head_dim**-0.5

        scores = torch.matmul(q, k.transpose(2, 3))
        future = torch.triu(torch.ones(T, T, dtype=torch.bool, device=x.device), diagonal=1)
        scores = scores.masked_fill(future, float("-inf"))
        weights = self.dropout(torch.softmax(scores, dim=-1))
        return self.dropout(self.output(self.merge_heads(torch.matmul(weights, v))))


class MLP(nn.Module):
    def __init__(self, embed_dim: int, dropout_p: float = 0.0) -> None:
        super().__init__()
        self.expand = nn.Linear(embed_dim, embed_dim * 4)
        self.contract = nn.Linear(embed_dim * 4, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.expand(x), approximate="tanh")
        return self.dropout(self.contract(hidden))


class TransformerBlock(nn.Module):
    def __init__(
        self, embed_dim: int, num_heads: int, block_size: int, dropout_p: float = 0.0
    ) -> None:
        super().__init__()
        self.mlp = MLP(embed_dim, dropout_p)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention_norm = nn.LayerNorm(embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        attended = x + self.attention(self.attention_norm(x))
        return attended + self.mlp(self.mlp_norm(attended))


class GPT2(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        block_size: int,
        dropout_p: float = 0.0,
    ) -> None:
        super().__init__()
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.norm = nn.LayerNorm(embed_dim)
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.positions = nn.Parameter(torch.randn(block_size, embed_dim) * 0.02)
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx: Tensor) -> Tensor:
        T = idx.size(1)
        x = self.dropout(self.tokens(idx) + self.positions[:T])
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))

    @staticmethod
    def _pairs(prefix, module, weight="w"):
        return [(f"{prefix}/{weight}", module.weight), (f"{prefix}/b", module.bias)]

    def take_openai(self, variables):
        """All or nothing."""
        pairs = [("model/wte", self.tokens.weight), ("model/wpe", self.positions)]
        pairs += self._pairs("model/ln_f", self.norm, "g")
        fused = {}
        for i, layer in enumerate(self.layers):
            h = f"model/h{i}"
            pairs += self._pairs(f"{h}/ln_1", layer.attention_norm, "g")
            pairs += self._pairs(f"{h}/ln_2", layer.mlp_norm, "g")
            pairs += self._pairs(f"{h}/attn/c_proj", layer.attention.output)
            pairs += self._pairs(f"{h}/mlp/c_fc", layer.mlp.expand)
            pairs += self._pairs(f"{h}/mlp/c_proj", layer.mlp.contract)
            a = layer.attention
            # split in three below; a stand-in says which shape is wanted
            fused[f"{h}/attn/c_attn/w"] = (a.query.weight, a.key.weight, a.value.weight)
            fused[f"{h}/attn/c_attn/b"] = (a.query.bias, a.key.bias, a.value.bias)
        names = {name for name, _ in pairs} | set(fused)
        for name in names - set(variables):
            raise ValueError(f"variables do not have {name}")
        for name in set(variables) - names:
            raise ValueError(f"variables have {name}, the model has not")
        jobs = []
        for name, parameter in pairs:
            jobs.append((name, variables[name], (parameter,)))
        for name, parameters in fused.items():
            jobs.append((name, variables[name], parameters))
        ready = []
        for name, value, parameters in jobs:
            n_out = sum(len(p) for p in parameters)
            shape = (n_out, *parameters[0].shape[1:])
            if name.endswith("/w"):
                shape = (1, *reversed(shape))
            if value.shape != shape:
                raise ValueError(f"{name} must have shape {shape} but has {tuple(value.shape)}")
            value = value[0].T if name.endswith("/w") else value
            ready += zip(parameters, value.split([len(p) for p in parameters]))
        with torch.no_grad():
            for parameter, value in [*ready, (self.head.weight, variables["model/wte"])]:
                parameter.copy_(value)
