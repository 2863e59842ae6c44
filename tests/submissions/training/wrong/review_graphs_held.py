# verdict: fail
# part: Training
# cause: micro-batches-held
# style: one backward on the sum of the losses
import math
import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    high = data.size(0) - block_size - 1
    if high < 0:
        raise ValueError(f"need {block_size + 1} tokens, got {data.size(0)}")
    start = torch.randint(0, high + 1, (batch_size, 1), generator=generator)
    at = start + torch.arange(block_size)
    return data.take(at), data.take(at + 1)


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return F.cross_entropy(logits.permute(0, 2, 1), targets, ignore_index=ignore_index)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    seen, decay, rest = set(), [], []
    for m in model.modules():
        for p in m.parameters(recurse=False):
            if not p.requires_grad or p in seen:
                continue
            seen.add(p)
            (rest if p.ndim < 2 else decay).append(p)
    opt = torch.optim.AdamW([{"params": decay}, {"params": rest, "weight_decay": 0}],
                            lr=learning_rate, betas=betas, weight_decay=weight_decay)
    return opt


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step >= total_steps:
        return min_learning_rate
    if step < warmup_steps:
        return max_learning_rate / warmup_steps * (step + 1)
    span = total_steps - warmup_steps
    left = math.cos((step - warmup_steps) * math.pi / span)
    mean = (max_learning_rate + min_learning_rate) / 2
    return mean + left * (max_learning_rate - min_learning_rate) / 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    model.zero_grad()
    optimizer.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    count = sum((y != -100).sum() for _, y in micro_batches)
    loss = sum(
        F.cross_entropy(model(x).transpose(1, 2), y, reduction="sum") for x, y in micro_batches
    ) / count
    loss.backward()
    total += loss.detach()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    return total.item()


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    training = [m for m in model.modules() if m.training]
    gen = torch.Generator().manual_seed(seed)
    out = torch.empty(num_batches, dtype=torch.float64)
    model.eval()
    with torch.no_grad():
        for i in range(num_batches):
            x, y = get_batch(data, batch_size, block_size, generator=gen)
            out[i] = language_modeling_loss(model(x), y)
    for m in training:
        m.training = True
    return out.mean().item()
