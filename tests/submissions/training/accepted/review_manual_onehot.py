# verdict: pass
# style: logsumexp loss, one group for each parameter
import contextlib
import math
import torch


def get_batch(data, batch_size, block_size, *, generator=None):
    places = data.numel() - block_size
    if places < 1:
        raise ValueError(f"data has {data.numel()} tokens, at least {block_size + 1} are needed")
    windows = data.unfold(0, block_size + 1, 1)
    pick = torch.randint(places, (batch_size,), generator=generator)
    w = windows[pick]
    return w[:, :-1].clone(), w[:, 1:].clone()


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    counts = targets != ignore_index
    lg, tg = logits[counts], targets[counts]
    right = lg.gather(-1, tg.unsqueeze(-1)).squeeze(-1)
    return (torch.logsumexp(lg, -1) - right).mean()


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    groups = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            decay = weight_decay if p.dim() >= 2 else 0.0
            groups.append({"params": [p], "name": name, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, foreach=False)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps:
        return min_learning_rate
    angle = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * math.cos(angle / 2) ** 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    params = [p for g in optimizer.param_groups for p in g["params"]]
    for p in params:
        p.grad = None
    n = sum(int((t != -100).sum()) for _, t in micro_batches)
    total = 0.0
    for x, t in micro_batches:
        c = int((t != -100).sum())
        if c == 0:
            continue
        part = language_modeling_loss(model(x), t) * (c / n)
        part.backward()
        total += part.item()
    if max_grad_norm is not None:
        grads = [p.grad for p in params if p.grad is not None]
        norm = math.sqrt(sum(float(g.double().pow(2).sum()) for g in grads))
        if norm > max_grad_norm:
            for g in grads:
                g.mul_(max_grad_norm / norm)
    optimizer.step()
    return total


@contextlib.contextmanager
def evaluating(model):
    modes = {m: m.training for m in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    g = torch.Generator().manual_seed(seed)
    with evaluating(model):
        losses = [
            float(language_modeling_loss(model(x), y))
            for x, y in (
                get_batch(data, batch_size, block_size, generator=g) for _ in range(num_batches)
            )
        ]
    return math.fsum(losses) / num_batches
