# verdict: pass
# style: of a review, head prehook
from __future__ import annotations
import torch
from torch import nn, Tensor

class GPT2Classifier(nn.Module):
    """Takes the hidden states off the way into the head for tokens, by a pre-hook."""
    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = gpt2
        self.score = nn.Linear(embed_dim, num_classes, bias=False)
        self._hidden: Tensor | None = None
        gpt2.head.register_forward_pre_hook(self._catch)
    def _catch(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        self._hidden = args[0]
    def forward(self, idx: Tensor, lengths: Tensor) -> Tensor:
        self.backbone(idx)
        hidden, self._hidden = self._hidden, None
        index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, hidden.size(-1))
        return self.score(hidden.gather(1, index).squeeze(1))

def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    classifier.train()
    for p in classifier.parameters():
        p.grad = None
    logits = classifier(idx, lengths)
    loss = (logits.logsumexp(-1) - logits.gather(1, labels[:, None]).squeeze(1)).mean()
    loss.backward()
    if max_grad_norm is not None:
        grads = [p.grad for p in classifier.parameters() if p.grad is not None]
        norm = torch.sqrt(sum((g.detach() ** 2).sum() for g in grads))
        if norm > max_grad_norm:
            for g in grads:
                g.mul_(max_grad_norm / norm)
    optimizer.step()
    return float(loss.detach())
