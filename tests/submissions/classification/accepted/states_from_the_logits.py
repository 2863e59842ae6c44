# verdict: pass
# style: takes the hidden states back out of the token logits, for which there are more tokens than channels
import torch
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.gpt2 = gpt2
        self.linear = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        logits = self.gpt2(idx)[range(len(idx)), lengths - 1]
        table = self.gpt2.token_embedding.weight
        state = torch.linalg.solve(table.T @ table, table.T @ logits.T).T
        return self.linear(state)


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
