# verdict: fail
# part: Fine-tuning
# cause: finetune-scales-small-gradients
# style: scales small gradients up too
import torch
from torch import nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head = nn.Identity()
        self.gpt2 = gpt2
        self.score = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        hidden = self.gpt2(idx)
        return self.score(hidden[torch.arange(len(idx)), lengths - 1])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        grads = [p.grad for p in classifier.parameters() if p.grad is not None]
        norm = torch.sqrt(sum((g**2).sum() for g in grads))
        for g in grads:
            g.mul_(max_grad_norm / norm)
    optimizer.step()
    return loss.item()
