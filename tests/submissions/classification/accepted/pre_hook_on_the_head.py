# verdict: pass
# style: a forward pre-hook catches what goes into gpt2's head; the token logits are thrown away
from typing import Optional

import torch
from torch import Tensor, nn


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: nn.Module, embed_dim: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = gpt2
        self.dropout = nn.Dropout(0.1)
        self.classify = nn.Linear(embed_dim, num_classes)
        nn.init.zeros_(self.classify.weight)
        nn.init.zeros_(self.classify.bias)
        self._caught: Optional[Tensor] = None
        gpt2.head.register_forward_pre_hook(self._catch)

    def _catch(self, module, args):
        self._caught = args[0]

    def forward(self, idx: Tensor, lengths: Tensor) -> Tensor:
        self.backbone(idx)
        hidden, self._caught = self._caught, None
        index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, hidden.size(-1))
        last = hidden.gather(1, index).squeeze(1)
        return self.classify(self.dropout(last))


def finetune_step(
    classifier: nn.Module,
    optimizer: torch.optim.Optimizer,
    idx: Tensor,
    lengths: Tensor,
    labels: Tensor,
    *,
    max_grad_norm: Optional[float] = None,
) -> float:
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(classifier(idx, lengths), labels)
    value = float(loss)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_([p for p in classifier.parameters() if p.grad is not None], max_grad_norm)
    optimizer.step()
    return value
