# verdict: pass
# style: of a review, identity head
import torch
import torch.nn as nn

class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        gpt2.head = nn.Identity()
        self.body = gpt2
        self.drop = nn.Dropout(0.1)
        self.weight = nn.Parameter(torch.empty(num_classes, embed_dim).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, idx, lengths):
        n = int(lengths.max())
        h = self.body(idx[:, :n])                                   # (B, n, C)
        pick = (torch.arange(n)[None] == (lengths - 1)[:, None])    # (B, n)
        h = torch.einsum("btc,bt->bc", h, pick.to(h.dtype))
        return self.drop(h) @ self.weight.T + self.bias

def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad(set_to_none=False)
    loss = nn.CrossEntropyLoss()(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_([p for p in classifier.parameters() if p.requires_grad], max_norm=max_grad_norm, error_if_nonfinite=True)
    optimizer.step()
    return loss.detach().cpu().item()
