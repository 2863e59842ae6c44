# verdict: fail
# part: Optimizer and schedule
# cause: division-by-zero
# style: losses stacked
import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import log_softmax, nll_loss


class Batch(NamedTuple):
    inputs: torch.Tensor
    targets: torch.Tensor


def get_batch(data, batch_size, block_size, *, generator=None):
    last = data.shape[0] - block_size - 1
    if last < 0:
        raise ValueError("The data holds fewer than block_size + 1 tokens")
    start = torch.randint(low=0, high=last + 1, size=(batch_size, 1), generator=generator)
    index = start + torch.arange(block_size).unsqueeze(0)
    return Batch(torch.take(data, index), torch.take(data, index + 1))


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    B, T, V = logits.shape
    return nll_loss(log_softmax(logits, dim=-1).reshape(B * T, V), targets.reshape(B * T), ignore_index=ignore_index)


class MyAdamW(torch.optim.AdamW):
    pass


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    two = [p for p in model.parameters() if p.dim() >= 2]
    one = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = MyAdamW(two, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    optimizer.add_param_group({"params": one, "weight_decay": 0.0})
    return optimizer


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        lr = max_learning_rate * float(step + 1) / float(warmup_steps)
    elif step > total_steps:
        lr = min_learning_rate
    else:
        p = (step - warmup_steps) / (total_steps - warmup_steps)
        a = (max_learning_rate + min_learning_rate) / 2
        b = (max_learning_rate - min_learning_rate) / 2
        lr = a + b * math.cos(math.pi * p)
    return lr


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    model.zero_grad()
    count = torch.stack([torch.count_nonzero(y != -100) for _, y in micro_batches]).sum()
    parts = []
    for inputs, targets in micro_batches:
        n = torch.count_nonzero(targets != -100)
        part = language_modeling_loss(model(inputs), targets) * n / count
        part.backward()
        parts.append(part.detach())
    loss = torch.stack(parts).sum()
    if max_grad_norm is not None:
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], max_norm=max_grad_norm)
    optimizer.step()
    return loss.item()


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    saved = [(m, m.training) for m in model.modules()]
    rng = torch.Generator(device="cpu")
    rng.manual_seed(seed)
    try:
        model.eval()
        with torch.no_grad():
            values = []
            while len(values) < num_batches:
                batch = get_batch(data, batch_size, block_size, generator=rng)
                values.append(language_modeling_loss(model(batch.inputs), batch.targets))
            return torch.stack(values).mean().item()
    finally:
        for m, mode in saved:
            m.training = mode
