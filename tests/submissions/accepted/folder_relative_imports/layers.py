import torch
from torch import nn


class LayerNorm(nn.Module):
    """Normalises the last axis; learns a gain and a shift."""

    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
        return self.gain * (x - mean) / (variance + self.eps).sqrt() + self.shift


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.dropout(self.fc2(nn.functional.gelu(self.fc1(x))))
