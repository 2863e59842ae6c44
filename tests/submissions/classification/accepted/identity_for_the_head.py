# verdict: pass
# style: swaps gpt2's head for an nn.Identity; score head; fancy indexing
import torch
import torch.nn as nn
from torch.nn.functional import cross_entropy


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head = nn.Identity()
        self.gpt2 = gpt2
        self.score = nn.Linear(embed_dim, num_classes, bias=False)

    def forward(self, idx, lengths):
        h = self.gpt2(idx)
        b = torch.arange(idx.size(0))
        return self.score(h[b, lengths - 1, :])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    classifier.train()
    optimizer.zero_grad(set_to_none=True)
    logits = classifier(idx, lengths)
    loss = cross_entropy(logits, labels)
    loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_norm=max_grad_norm)
    optimizer.step()
    return loss.item()
