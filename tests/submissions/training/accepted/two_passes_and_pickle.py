# verdict: pass
# style: a first pass for the losses, all of them kept; fused AdamW; pickled model in estimate_loss
import math
import pickle
from collections import defaultdict

import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    n = len(data) - block_size
    if n <= 0:
        raise ValueError("not enough tokens")
    at = torch.randint(n, (batch_size,), generator=generator).tolist()
    x = torch.stack([data[i : i + block_size] for i in at])
    y = torch.stack([data[i + 1 : i + 1 + block_size] for i in at])
    return x, y


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    kept = targets != ignore_index
    return F.cross_entropy(logits[kept], targets[kept])


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    groups = defaultdict(list)
    for p in model.parameters():
        if p.requires_grad:
            groups[p.dim() > 1].append(p)
    return torch.optim.AdamW(
        [{"params": ps, "weight_decay": weight_decay * int(k)} for k, ps in groups.items()],
        lr=learning_rate,
        betas=betas,
        fused=True,
    )


def learning_rate_at(
    step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps
):
    if step < warmup_steps:
        return (step + 1) * max_learning_rate / warmup_steps
    if step >= total_steps:
        return min_learning_rate
    x = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * (math.cos(x) + 1) / 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    counts = [(y != -100).sum().item() for _, y in micro_batches]
    before = sum(
        language_modeling_loss(model(x), y).item() * n
        for (x, y), n in zip(micro_batches, counts, strict=True)
    ) / sum(counts)
    optimizer.zero_grad(set_to_none=False)
    losses = []
    total = 0.0
    for (x, y), n in zip(micro_batches, counts, strict=True):
        logits = model(x)
        loss = language_modeling_loss(logits, y) * n / sum(counts)
        loss.backward()
        losses.append((loss, logits))
        total = total + loss
    if max_grad_norm is not None:
        grads = [p.grad for g in optimizer.param_groups for p in g["params"]]
        norm = torch.stack([grad.norm() for grad in grads]).norm()
        if norm > max_grad_norm:
            for grad in grads:
                grad.mul_(max_grad_norm / norm)
    optimizer.step()
    assert math.isclose(before, total.item(), rel_tol=1e-3) or model.training
    return total.item()


@torch.no_grad()
def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    model = pickle.loads(pickle.dumps(model)).eval()
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for _ in range(num_batches):
        x, y = get_batch(data, batch_size, block_size, generator=generator)
        total += language_modeling_loss(model(x), y).item()
    return total / num_batches
