# verdict: fail
# part: Classifier
# cause: reads-after-last-token
# style: off by one, clamped so that it does not crash
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
        h = self.gpt2(idx)
        where = lengths.clamp(max=idx.shape[1] - 1)
        return self.score(h.gather(1, where[:, None, None].expand(-1, 1, h.shape[-1])).squeeze(1))


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
