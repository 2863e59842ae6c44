# verdict: pass
# style: of a review, dir subclass
import torch
from torch import nn
from gpt2 import GPT2
from steps import finetune_step  # noqa: F401

class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: GPT2, embed_dim: int, num_classes: int):
        super().__init__()
        self.gpt2 = gpt2
        self.out = nn.Conv1d(embed_dim, num_classes, 1)
    def forward(self, idx, lengths):
        h = self.gpt2.features(idx)                       # (B, T, C)
        y = self.out(h.transpose(1, 2))                   # (B, K, T)
        return torch.take_along_dim(y, (lengths - 1)[:, None, None], dim=2)[:, :, 0]
