# verdict: pass
# style: of a review, plain
import math

import torch
import torch.nn.functional as F
from torch import nn


def get_batch(data, batch_size, block_size, *, generator=None):
    if len(data) < block_size + 1:
        raise ValueError("data too short")
    ix = torch.randint(len(data) - block_size, (batch_size,), generator=generator)
    x = torch.stack([data[i : i + block_size] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + block_size] for i in ix])
    return x, y


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), targets.reshape(-1), ignore_index=ignore_index)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    params = [p for p in model.parameters() if p.requires_grad]
    decay = [p for p in params if p.dim() >= 2]
    nodecay = [p for p in params if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": nodecay, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps:
        return min_learning_rate
    ratio = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_learning_rate + 0.5 * (1 + math.cos(math.pi * ratio)) * (max_learning_rate - min_learning_rate)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    optimizer.zero_grad(set_to_none=True)
    total = sum((y != -100).sum().item() for _, y in micro_batches)
    result = 0.0
    for x, y in micro_batches:
        logits = model(x)
        loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), y.reshape(-1), ignore_index=-100, reduction="sum") / total
        loss.backward()
        result += loss.item()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    return result


@torch.no_grad()
def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    g = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(num_batches):
        x, y = get_batch(data, batch_size, block_size, generator=g)
        total += language_modeling_loss(model(x), y).item()
    for mod, mode in modes:
        mod.training = mode
    return total / num_batches
