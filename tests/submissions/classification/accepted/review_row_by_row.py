# verdict: pass
# style: of a review, row by row
import torch
from torch import nn
from torch.nn import functional as F

class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        # take the parts over, not the whole
        self.wte, self.wpe = gpt2.token_embedding, gpt2.position_embedding
        self.drop, self.blocks, self.ln_f = gpt2.dropout, gpt2.blocks, gpt2.final_norm
        self.head = nn.Linear(embed_dim, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
    def one(self, tokens):
        x = self.wte(tokens) + self.wpe.weight[: len(tokens)]
        x = self.drop(x)[None]
        for b in self.blocks:
            x = b(x)
        return self.head(self.ln_f(x[0, -1]))
    def forward(self, idx, lengths):
        return torch.stack([self.one(row[:n]) for row, n in zip(idx, lengths.tolist())])

def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    params = [p for p in classifier.parameters() if p.requires_grad]
    loss = F.nll_loss(F.log_softmax(classifier(idx, lengths), dim=-1), labels)
    grads = torch.autograd.grad(loss, params, allow_unused=True)
    if max_grad_norm is not None:
        total = torch.stack([g.norm() for g in grads if g is not None]).norm()
        c = torch.clamp(max_grad_norm / (total + 1e-6), max=1.0)
        grads = [g if g is None else g * c for g in grads]
    for p, g in zip(params, grads):
        p.grad = g
    optimizer.step()
    return loss.item()
