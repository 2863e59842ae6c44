# verdict: pass
# style: takes gpt2's parts over one by one; a parameter for each class, dot products
import torch
from torch import nn


class Body(nn.Module):
    """The parts of a GPT2 up to its final norm, taken over one by one."""

    def __init__(self, gpt2):
        super().__init__()
        self.tok, self.pos = gpt2.token_embedding, gpt2.position_embedding
        self.drop, self.blocks, self.norm = gpt2.dropout, gpt2.blocks, gpt2.final_norm

    def forward(self, idx):
        x = self.tok(idx) + self.pos.weight[None, : idx.size(1)]
        x = self.drop(x)
        for b in self.blocks:
            x = b(x)
        return self.norm(x)


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        self.body = Body(gpt2)
        self.rows = nn.ParameterList([nn.Parameter(torch.randn(embed_dim) * 0.02) for _ in range(num_classes)])

    def forward(self, idx, lengths):
        states = self.body(idx)
        picked = [s[n - 1] for s, n in zip(states.unbind(0), lengths)]
        return torch.stack([torch.stack([torch.dot(r, s) for r in self.rows]) for s in picked])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    was = classifier.training
    classifier.train(True)
    try:
        optimizer.zero_grad()
        logits = classifier(idx, lengths)
        loss = torch.stack([torch.logsumexp(z, 0) - z[y] for z, y in zip(logits, labels)]).mean()
        loss.backward()
        if max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
        optimizer.step()
    finally:
        classifier.train(was)
    return float(loss)
