# verdict: pass
# style: a JAX person: torch.func.grad_and_value over functional_call, trees of parameters, callables as objects
import math
from functools import partial

import torch
from torch.func import functional_call, grad_and_value


def cross_entropy_sum(logits, targets, ignore_index):
    mask = targets != ignore_index
    safe = torch.where(mask, targets, 0)
    token = torch.log_softmax(logits, -1).gather(-1, safe[..., None])[..., 0]
    return -(token * mask).sum(), mask.sum()


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    total, count = cross_entropy_sum(logits, targets, ignore_index)
    return total / count


class Batcher:
    def __call__(self, data, batch_size, block_size, *, generator=None):
        n = data.shape[0] - block_size
        if n <= 0:
            raise ValueError(f"data of {data.shape[0]} tokens, block_size {block_size}")
        starts = torch.randint(n, (batch_size,), generator=generator)
        window = torch.vmap(lambda s: data[s + torch.arange(block_size + 1)])(starts)
        return window[:, :-1], window[:, 1:]


get_batch = Batcher()


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    tree = {k: v for k, v in model.named_parameters() if v.requires_grad}
    labels = {k: "decay" if v.ndim > 1 else "plain" for k, v in tree.items()}
    return torch.optim.AdamW(
        [
            {"params": [tree[k] for k in tree if labels[k] == "decay"], "weight_decay": weight_decay},
            {"params": [tree[k] for k in tree if labels[k] == "plain"], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=betas,
    )


def _piecewise(step, pieces, last):
    return next((fn(step) for until, fn in pieces if step < until), last)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    def warm(s):
        return max_learning_rate * (s + 1) / warmup_steps

    def cosine(s):
        x = (s - warmup_steps) / (total_steps - warmup_steps)
        return min_learning_rate + (max_learning_rate - min_learning_rate) * (1 + math.cos(math.pi * x)) / 2

    return _piecewise(step, [(warmup_steps, warm), (total_steps, cosine)], min_learning_rate)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    params = {k: v for k, v in model.named_parameters() if v.requires_grad}

    def objective(tree, inputs, targets):
        logits = functional_call(model, tree, (inputs,))
        total, _ = cross_entropy_sum(logits, targets, -100)
        return total

    step = grad_and_value(objective)
    grads = {k: torch.zeros_like(v) for k, v in params.items()}
    loss, count = 0.0, 0
    for inputs, targets in micro_batches:
        own, total = step({k: v.detach() for k, v in params.items()}, inputs, targets)
        grads = {k: grads[k] + own[k] for k in grads}
        loss += total.item()
        count += int((targets != -100).sum())
    grads = {k: g / count for k, g in grads.items()}
    if max_grad_norm is not None:
        norm = sum((g**2).sum() for g in grads.values()) ** 0.5
        grads = {k: g * torch.clamp(max_grad_norm / norm, max=1.0) for k, g in grads.items()}
    for k, v in params.items():
        v.grad = grads[k].detach()
    optimizer.step()
    optimizer.zero_grad()
    return loss / count


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    draw = partial(get_batch, data, batch_size, block_size, generator=torch.Generator().manual_seed(seed))
    modes = {m: m.training for m in model.modules()}
    model.eval()
    with torch.no_grad():
        values = [language_modeling_loss(model(x), y) for x, y in (draw() for _ in range(num_batches))]
    for m, mode in modes.items():
        m.training = mode
    return torch.stack(values).mean().item()
