# verdict: pass
# style: a ModuleDict, an OrderedDict head, accumulated halves of the batch, no_grad clipping
from collections import OrderedDict

import torch
from torch import nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head = nn.Identity()
        head = OrderedDict([("drop", nn.Dropout(0.1)), ("proj", nn.Linear(embed_dim, num_classes))])
        nn.init.normal_(head["proj"].weight, std=0.02)
        nn.init.zeros_(head["proj"].bias)
        self.parts = nn.ModuleDict({"body": gpt2, "head": nn.Sequential(head)})

    def forward(self, idx, lengths):
        B, T = idx.shape
        # padding is replaced first, though it makes no difference
        real = torch.arange(T).expand(B, T) < lengths.unsqueeze(1)
        h = self.parts["body"](idx * real)
        h = h.reshape(B * T, -1)
        return self.parts["head"](h[torch.arange(B) * T + (lengths - 1)])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    with torch.set_grad_enabled(True):
        optimizer.zero_grad()
        loss = F.cross_entropy(input=classifier(idx=idx, lengths=lengths), target=labels)
        loss.backward()
    if max_grad_norm is not None:
        with torch.no_grad():
            norms = [torch.linalg.vector_norm(p.grad) for p in classifier.parameters() if p.grad is not None]
            total = torch.linalg.vector_norm(torch.stack(norms))
            if total > max_grad_norm:
                for p in classifier.parameters():
                    if p.grad is not None:
                        p.grad.mul_(max_grad_norm / total)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
