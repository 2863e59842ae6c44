# verdict: fail
# part: Batches and loss
# cause: offsets-not-uniform
# style: unfold and autograd grad
import math
from itertools import accumulate

import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    if data.size(0) < block_size + 1:
        raise ValueError('too short')
    windows = data.unfold(0, block_size + 1, 1)
    chosen = windows[torch.randint(min(1000, windows.size(0)), (batch_size,), generator=generator)]
    return chosen[:, :block_size].clone(), chosen[:, 1:].clone()


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=ignore_index, reduction='mean')


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    seen = set()
    groups = {True: [], False: []}
    for module in model.modules():
        for p in module.parameters(recurse=False):
            if id(p) not in seen and p.requires_grad:
                seen.add(id(p))
                groups[p.ndim > 1].append(p)
    return torch.optim.Adam(
        [{'params': groups[True], 'weight_decay': weight_decay}, {'params': groups[False], 'weight_decay': 0}],
        lr=learning_rate, betas=betas, decoupled_weight_decay=True, foreach=False)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if warmup_steps and step < warmup_steps:
        return max_learning_rate / warmup_steps * (step + 1)
    span = max(1, total_steps - warmup_steps)
    done = min(1.0, (step - warmup_steps) / span) if step < total_steps else 1.0
    return min_learning_rate + 0.5 * (1 + math.cos(done * math.pi)) * (max_learning_rate - min_learning_rate)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    model.train()
    params = [p for g in optimizer.param_groups for p in g['params'] if p.requires_grad]
    total = sum(int(y.ne(-100).sum()) for _, y in micro_batches)
    sums = [torch.zeros_like(p) for p in params]
    value = 0.0
    for x, y in micro_batches:
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction='sum') / total
        for s, g in zip(sums, torch.autograd.grad(loss, params, allow_unused=True)):
            if g is not None:
                s += g
        value += loss.detach().item()
    if max_grad_norm is not None:
        norm = torch.cat([s.flatten() for s in sums]).norm()
        factor = (max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        sums = [s * factor for s in sums]
    for p, s in zip(params, sums):
        p.grad = s
    optimizer.step()
    return value


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = [m.training for m in model.modules()]
    model.train(False)
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        losses = [
            language_modeling_loss(model(x), y).item()
            for x, y in (get_batch(data, batch_size, block_size, generator=generator) for _ in range(num_batches))
        ]
    for m, t in zip(model.modules(), modes):
        m.training = t
    return list(accumulate(losses))[-1] / num_batches
