# verdict: fail
# part: Fine-tuning
# cause: finetune-loss-summed
# style: reduction="sum"
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
    loss = F.cross_entropy(classifier(idx, lengths), labels, reduction="sum")
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
