# verdict: pass
# style: runs gpt2's parts one by one; a bare parameter (C, K); clipping and cross-entropy by hand
import math

import torch
from torch import nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.lm = gpt2
        self.w = nn.Parameter(torch.randn(embed_dim, num_classes) / math.sqrt(embed_dim))
        self.b = nn.Parameter(torch.zeros(num_classes))

    def features(self, idx):
        lm = self.lm
        t = idx.shape[1]
        x = lm.token_embedding.weight[idx] + lm.position_embedding.weight[:t]
        x = lm.dropout(x)
        for block in lm.blocks:
            x = block(x)
        return lm.final_norm(x)

    def forward(self, idx, lengths):
        h = self.features(idx)
        pick = torch.nn.functional.one_hot(lengths - 1, idx.shape[1]).to(h.dtype)
        last = torch.einsum("bt,btc->bc", pick, h)
        return last @ self.w + self.b


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    logits = classifier(idx, lengths)
    right = logits[torch.arange(len(labels)), labels]
    loss = (torch.logsumexp(logits, 1) - right).mean()
    params = [p for p in classifier.parameters() if p.requires_grad]
    for p in params:
        p.grad = None
    loss.backward()
    if max_grad_norm is not None:
        grads = [p.grad for p in params if p.grad is not None]
        norm = math.sqrt(sum(g.pow(2).sum().item() for g in grads))
        if norm > max_grad_norm:
            for g in grads:
                g.mul_(max_grad_norm / norm)
    optimizer.step()
    return loss.detach().item()
