# verdict: pass
# style: the head keeps its weight and loses its forward; a 1×1 convolution over all positions
import torch
from torch import nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head.forward = lambda x: x
        self.gpt2 = gpt2
        self.conv = nn.Conv1d(embed_dim, num_classes, kernel_size=1)

    def forward(self, idx, lengths):
        h = self.gpt2(idx).transpose(1, 2)  # (B, C, T)
        every = self.conv(h)  # (B, K, T)
        t = torch.arange(idx.shape[1], device=idx.device)
        mask = t[None, None, :] == (lengths - 1)[:, None, None]
        return torch.where(mask, every, torch.zeros_like(every)).sum(-1)


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    loss = F.nll_loss(F.log_softmax(classifier(idx, lengths), dim=-1), labels)
    classifier.zero_grad()
    loss.backward()
    if max_grad_norm:
        grads = [p.grad.flatten() for p in classifier.parameters() if p.grad is not None]
        total = torch.cat(grads).norm()
        scale = torch.clamp(max_grad_norm / (total + 1e-12), max=1.0)
        for p in classifier.parameters():
            if p.grad is not None:
                p.grad *= scale
    optimizer.step()
    return loss.item()
