# verdict: fail
# part: Batches and loss
# cause: loss-unstable
# style: hooks and python random
import math

import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    places = len(data) - block_size
    if places < 1:
        raise ValueError("data too short")
    bits = max(1, (places - 1).bit_length())
    starts = []
    while len(starts) < batch_size:
        draw = torch.randint(0, 2**bits, (batch_size,), generator=generator)
        starts += [int(s) for s in draw if s < places]
    starts = starts[:batch_size]
    return (
        torch.stack([data[s : s + block_size] for s in starts]),
        torch.stack([data[s + 1 : s + 1 + block_size] for s in starts]),
    )


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    probabilities = logits.softmax(-1)
    losses = -torch.log(probabilities.gather(-1, targets.masked_fill(targets == ignore_index, 0)[..., None])[..., 0] + 1e-10)
    losses = losses * (targets != ignore_index)
    return losses.sum() / (targets != ignore_index).sum()


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=learning_rate, betas=betas)

    def decay(optimizer, args, kwargs):
        with torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.ndim >= 2 and p.grad is not None:
                        p.mul_(1 - group["lr"] * weight_decay)

    optimizer.register_step_pre_hook(decay)
    return optimizer


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps:
        return min_learning_rate
    fraction = (total_steps - step) / (total_steps - warmup_steps)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * (1 - math.cos(math.pi * fraction)) / 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    total = sum(int((targets != -100).sum()) for _, targets in micro_batches)
    optimizer.zero_grad()
    loss = 0.0
    for inputs, targets in micro_batches:
        share = int((targets != -100).sum()) / total
        part = share * language_modeling_loss(model(inputs), targets)
        part.backward()
        loss += part.item()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm, norm_type=2.0)
    optimizer.step()
    return loss


@torch.inference_mode()
def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    generator = torch.Generator().manual_seed(seed)
    training = [m for m in model.modules() if m.training]
    model.eval()
    total = sum(
        language_modeling_loss(model(x), y).item()
        for x, y in (get_batch(data, batch_size, block_size, generator=generator) for _ in range(num_batches))
    )
    for m in training:
        m.training = True
    return total / num_batches
