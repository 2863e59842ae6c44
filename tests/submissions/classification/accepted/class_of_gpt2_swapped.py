# verdict: pass
# style: the given model becomes an instance of a subclass whose forward stops before the head
from __future__ import annotations

import torch
from torch import nn

from gpt2 import GPT2


class Features(GPT2):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(idx)
        x = x + self.position_embedding(torch.arange(idx.size(1), device=idx.device))
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.final_norm(x)


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        assert isinstance(gpt2, GPT2)
        gpt2.__class__ = Features
        self.body = gpt2
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, idx: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        longest = int(lengths.max())
        hidden = self.body(idx[:, :longest])
        flat = hidden.flatten(0, 1)
        places = torch.arange(len(idx)) * longest + lengths - 1
        return self.head(flat.index_select(0, places))


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(classifier(idx, lengths), labels)
        loss.backward()
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
        losses.append(loss.item())
        return loss

    optimizer.step(closure)
    return losses[0]
