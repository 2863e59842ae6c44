# verdict: pass
# style: a folder: an own gpt2.py with a method for the states, its untied head left unused
import torch
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.gpt2 = gpt2
        self.score = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        states = self.gpt2.features(idx)
        last = torch.stack([states[b, n - 1] for b, n in enumerate(lengths)])
        return self.score(last)


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    classifier.train()
    loss = nn.functional.cross_entropy(classifier(idx, lengths), labels)
    optimizer.zero_grad()
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
