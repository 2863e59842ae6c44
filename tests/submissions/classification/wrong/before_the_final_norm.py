# verdict: fail
# part: Classifier
# cause: reads-before-final-norm
# style: blocks by hand, the last norm forgotten
import torch
from torch import nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.gpt2 = gpt2
        self.score = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        g = self.gpt2
        x = g.dropout(g.token_embedding(idx) + g.position_embedding(torch.arange(idx.shape[1])))
        for block in g.blocks:
            x = block(x)
        return self.score(x[torch.arange(len(x)), lengths - 1])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
