# verdict: pass
# style: a folder: one parameter for all tables; weights and bias of the head in one too
import torch
import torch.nn.functional as F
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.lm = gpt2
        self.wb = nn.Parameter(0.02 * torch.randn(num_classes, embed_dim + 1))

    def forward(self, idx, lengths):
        tok, pos = self.lm.table.split(self.lm.rows)
        x = F.embedding(idx, tok) + pos[: idx.shape[1]]
        for block in self.lm.blocks:
            x = block(x)
        last = self.lm.ln(x)[torch.arange(len(x)), lengths - 1]
        with_one = torch.cat([last, torch.ones_like(last[:, :1])], dim=1)
        return with_one @ self.wb.T


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    classifier.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        F_norm = torch.nn.utils.get_total_norm([p.grad for p in classifier.parameters() if p.grad is not None])
        if F_norm > max_grad_norm:
            for p in classifier.parameters():
                if p.grad is not None:
                    p.grad.mul_(max_grad_norm / F_norm)
    optimizer.step()
    return loss.item()
