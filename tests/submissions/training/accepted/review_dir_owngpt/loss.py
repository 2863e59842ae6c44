import torch.nn.functional as F
def summed(z, t, ignore=-100):
    return F.cross_entropy(z.transpose(1, 2), t, ignore_index=ignore, reduction="sum")
def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return summed(logits, targets, ignore_index) / (targets != ignore_index).sum()
