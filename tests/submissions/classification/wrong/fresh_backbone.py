# verdict: fail
# part: Backbone
# cause: ignores-the-backbone
# style: builds a GPT2 of the same sizes from scratch
import torch
from torch import nn
import torch.nn.functional as F

from gpt2 import GPT2


class GPT2Classifier(nn.Module):
    def __init__(self, gpt2, embed_dim, num_classes):
        super().__init__()
        heads = gpt2.blocks[0].attn.num_heads
        vocab = gpt2.token_embedding.num_embeddings
        self.gpt2 = GPT2(vocab, embed_dim, heads, len(gpt2.blocks), gpt2.block_size)
        self.gpt2.head = nn.Identity()
        self.score = nn.Linear(embed_dim, num_classes)

    def forward(self, idx, lengths):
        hidden = self.gpt2(idx)
        return self.score(hidden[torch.arange(len(idx)), lengths - 1])


def finetune_step(classifier, optimizer, idx, lengths, labels, *, max_grad_norm=None):
    optimizer.zero_grad()
    loss = F.cross_entropy(classifier(idx, lengths), labels)
    loss.backward()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_(classifier.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()
