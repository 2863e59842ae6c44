# verdict: fail
# part: Fine-tuning
# cause: finetune-clips-each-group
# style: clips each group of the optimizer
import torch
import torch.nn as nn
import torch.nn.functional as F


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        like = next(gpt2.parameters())
        gpt2.head = nn.Identity()
        self.backbone = gpt2
        self.score = nn.Linear(embed_dim, num_classes, bias=False).to(like)

    def forward(self, idx, lengths):
        h = self.backbone(idx)
        last = (lengths - 1)[:, None, None].expand(-1, 1, h.size(-1))
        return self.score(h.gather(1, last).squeeze(1))


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    classifier.zero_grad(set_to_none=True)
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        for group in optimizer.param_groups:
            nn.utils.clip_grad_norm_(group['params'], max_grad_norm)
    optimizer.step()
    return loss.item()
