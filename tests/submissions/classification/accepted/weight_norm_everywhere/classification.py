# verdict: pass
# style: a folder: computed weights in gpt2.py and in the new head; the old head an Identity
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head = nn.Identity()
        self.gpt2 = gpt2
        self.to_classes = weight_norm(nn.Linear(embed_dim, num_classes))

    def forward(self, idx, lengths):
        h = self.gpt2(idx)
        return self.to_classes(torch.take_along_dim(h, (lengths - 1)[:, None, None], dim=1)[:, 0])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    loss = nn.functional.cross_entropy(classifier(idx, lengths), labels)
    optimizer.zero_grad()
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
