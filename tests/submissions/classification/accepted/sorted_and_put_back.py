# verdict: pass
# style: sorts rows by length, classifies, and restores the order; forward hook on the final norm
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int):
        super().__init__()
        self.transformer = gpt2
        self.drop = nn.Dropout(p=0.2)
        self.out = nn.Linear(embed_dim, num_classes)
        self.states = []
        self.transformer.final_norm.register_forward_hook(
            lambda module, args, output: self.states.append(output)
        )

    def forward(self, idx, lengths):
        ordered, order = torch.sort(lengths, descending=True)
        self.states.clear()
        self.transformer(idx[order][:, : ordered[0]])
        h = self.states.pop()
        last = h[torch.arange(h.size(0)), ordered - 1]
        logits = self.out(self.drop(last))
        return logits[torch.argsort(order)]


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    params = [p for p in classifier.parameters() if p.requires_grad]
    loss = F.cross_entropy(classifier(idx, lengths), labels, reduction="sum") / labels.numel()
    grads = torch.autograd.grad(loss, params, allow_unused=True)
    for p, g in zip(params, grads):
        p.grad = g
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(params, max_grad_norm)
    optimizer.step()
    return loss.item()
