# verdict: pass
# style: cuts every row to its length and runs it alone; one small head for each class
import torch
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.gpt2 = gpt2
        self.gpt2.head = torch.nn.Sequential()  # an empty one gives back what it gets
        self.heads = nn.ModuleList([nn.Linear(embed_dim, 1) for _ in range(num_classes)])

    def one(self, tokens):
        state = self.gpt2(tokens.unsqueeze(0))[0, -1]
        return torch.cat([head(state) for head in self.heads])

    def forward(self, idx, lengths):
        return torch.stack([self.one(row[:n]) for row, n in zip(idx, lengths.tolist())])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    total = 0.0
    for row in range(len(idx)):  # gradients add up, row by row
        logits = classifier(idx[row : row + 1], lengths[row : row + 1])
        loss = nn.functional.cross_entropy(logits, labels[row : row + 1]) / len(idx)
        loss.backward()
        total += loss.item()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return total
