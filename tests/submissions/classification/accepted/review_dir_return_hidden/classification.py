# verdict: pass
# style: of a review, dir return hidden
import torch
import torch.nn as nn
import torch.nn.functional as F
import gpt2 as base

class GPT2Classifier(base.GPT2):
    """IS a GPT2, whose head gives classes: takes over everything of the one given."""
    def __init__(self, gpt2, embed_dim, num_classes):
        nn.Module.__init__(self)
        self.wte, self.wpe, self.drop, self.body = gpt2.wte, gpt2.wpe, gpt2.drop, gpt2.body
        self.lm_head = nn.Linear(embed_dim, num_classes).to(gpt2.wte.dtype)
    def forward(self, idx, lengths):
        every = super().forward(idx)                # (B, T, K)
        return every[torch.arange(len(idx)), lengths - 1, :]

def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    logp = F.log_softmax(classifier(idx, lengths), -1)
    loss = -(F.one_hot(labels, logp.shape[-1]) * logp).sum(-1).mean()
    loss.backward()
    if max_grad_norm is not None:
        vec = torch.cat([p.grad.reshape(-1) for p in classifier.parameters() if p.grad is not None])
        n = vec.norm(2).item()
        if n > max_grad_norm:
            for p in classifier.parameters():
                if p.grad is not None:
                    p.grad.data = p.grad.data * (max_grad_norm / n)
    optimizer.step()
    return loss.item()
