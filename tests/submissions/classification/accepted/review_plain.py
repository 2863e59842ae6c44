# verdict: pass
# style: of a review, plain
import torch
import torch.nn.functional as F
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.gpt2 = gpt2
        self.classifier = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        B, T = idx.shape
        m = self.gpt2
        x = m.token_embedding(idx) + m.position_embedding(torch.arange(T, device=idx.device))
        x = m.dropout(x)
        for block in m.blocks:
            x = block(x)
        x = m.final_norm(x)
        last = x[torch.arange(B, device=idx.device), lengths - 1]
        return self.classifier(last)


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
