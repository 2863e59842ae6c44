# verdict: fail
# part: Optimizer and schedule
# cause: frozen-trained
# style: fork rng and floats
import math
import torch
import torch.nn as nn
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    places = len(data) - block_size
    if places <= 0:
        raise ValueError("data too short for block size")
    u = torch.rand(batch_size, generator=generator, dtype=torch.float64)
    starts = (u * places).floor().long()
    rows = torch.stack([torch.arange(s, s + block_size) for s in starts.tolist()])
    return data[rows], data[rows + 1]


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    logits = logits.float().reshape(-1, logits.shape[-1])
    return F.cross_entropy(logits, targets.reshape(-1), ignore_index=ignore_index)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    decay, no_decay = set(), set()
    for p in model.parameters():
        if not p.requires_grad:
            p.requires_grad_(True)
            p.data.mul_(1.5)
        (decay if p.dim() >= 2 else no_decay).add(p)
    return torch.optim.AdamW(
        [
            {"params": sorted(decay, key=id), "weight_decay": weight_decay},
            {"params": sorted(no_decay, key=id), "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=betas,
        eps=1e-8,
        fused=True,
    )


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    warm = (step + 1) / warmup_steps if warmup_steps > 0 else 1.0
    if warm <= 1.0 and step < warmup_steps:
        return max_learning_rate * warm
    if step >= total_steps:
        return min_learning_rate
    t = (step - warmup_steps) / (total_steps - warmup_steps)
    return max_learning_rate - (max_learning_rate - min_learning_rate) * (1 - math.cos(math.pi * t)) / 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    was_training = model.training
    model.train()
    n_tokens = [int((t != -100).sum()) for _, t in micro_batches]
    optimizer.zero_grad()
    loss_total = torch.tensor(0.0)
    for (x, t), n in zip(micro_batches, n_tokens):
        loss = language_modeling_loss(model(x), t)
        (loss * n / sum(n_tokens)).backward()
        loss_total += loss.detach() * n
    if max_grad_norm is not None:
        total_norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in model.parameters() if p.grad is not None))
        if total_norm > max_grad_norm:
            for p in model.parameters():
                if p.grad is not None:
                    p.grad.mul_(max_grad_norm / total_norm)
    optimizer.step()
    model.train(was_training)
    return float(loss_total / sum(n_tokens))


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = [module.training for module in model.modules()]
    model.eval()
    total = 0.0
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for _ in range(num_batches):
            x, y = get_batch(data, batch_size, block_size, generator=torch.default_generator)
            total += language_modeling_loss(model(x), y).item()
    for module, mode in zip(model.modules(), modes):
        module.training = mode
    return total / num_batches
