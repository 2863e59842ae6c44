# verdict: pass
# style: a folder: nanoGPT user; takes the transformer over, deletes the head, ModuleDict as there
import torch
import torch.nn as nn
from torch.nn import functional as F

from gpt2 import GPT2


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2: GPT2, embed_dim: int, num_classes: int):
        super().__init__()
        self.transformer = gpt2.transformer
        del gpt2.lm_head
        self.cls_head = nn.Linear(embed_dim, num_classes, bias=True)
        torch.nn.init.normal_(self.cls_head.weight, mean=0.0, std=0.02)

    def forward(self, idx, lengths):
        b, t = idx.size()
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        x = self.transformer.drop(self.transformer.wte(idx) + self.transformer.wpe(pos))
        for block in self.transformer.h:
            x = block(x)
        # only the positions that are wanted go through the last norm
        x = x[torch.arange(b, device=idx.device), lengths.to(idx.device) - 1]
        return self.cls_head(self.transformer.ln_f(x))


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad(set_to_none=True)
    with torch.enable_grad():
        logits = classifier(idx, lengths)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm, foreach=False)
    optimizer.step()
    return float(loss.item())
