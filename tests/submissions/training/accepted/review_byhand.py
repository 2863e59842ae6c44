# verdict: pass
# style: of a review, byhand
from __future__ import annotations
import math
from collections.abc import Sequence
from contextlib import contextmanager
import torch
from torch import Tensor, nn

IGNORE: int = -100

class HandAdamW(torch.optim.Optimizer):
    def __init__(self, params, lr: float, betas, eps: float = 1e-8) -> None:
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=0.0))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for g in self.param_groups:
            b1, b2 = g["betas"]
            for p in g["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                p.mul_(1 - g["lr"] * g["weight_decay"])
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                mhat = s["m"] / (1 - b1 ** s["t"])
                vhat = s["v"] / (1 - b2 ** s["t"])
                p.sub_(g["lr"] * mhat / (vhat.sqrt() + g["eps"]))
        return loss

def get_batch(data: Tensor, batch_size: int, block_size: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    places = data.numel() - block_size
    if places < 1:
        raise ValueError(f"need at least {block_size + 1} tokens, got {data.numel()}")
    start = torch.randint(0, places, (batch_size, 1), generator=generator)
    window = data[start + torch.arange(block_size + 1)]
    return window[:, :-1], window[:, 1:]

def _nll_sum(logits: Tensor, targets: Tensor, ignore: int) -> tuple[Tensor, Tensor]:
    keep = targets != ignore
    logits, targets = logits[keep], targets[keep]
    picked = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (logits.logsumexp(-1) - picked).sum(), keep.sum()

def language_modeling_loss(logits: Tensor, targets: Tensor, *, ignore_index: int = IGNORE) -> Tensor:
    total, n = _nll_sum(logits, targets, ignore_index)
    return total / n

def configure_optimizer(model: nn.Module, *, learning_rate: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.95)) -> torch.optim.Optimizer:
    groups = [dict(params=[p], weight_decay=weight_decay if p.ndim > 1 else 0.0) for p in model.parameters() if p.requires_grad]
    return HandAdamW(groups, learning_rate, betas)

def learning_rate_at(step: int, *, max_learning_rate: float, min_learning_rate: float, warmup_steps: int, total_steps: int) -> float:
    if step < warmup_steps:
        return (step + 1) / warmup_steps * max_learning_rate
    t = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps)) if step < total_steps else 1.0
    w = math.cos(t * math.pi / 2) ** 2
    return w * max_learning_rate + (1 - w) * min_learning_rate

def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, micro_batches: Sequence[tuple[Tensor, Tensor]], *, max_grad_norm: float | None = None) -> float:
    model.train()
    model.zero_grad()
    loss_sum, count = 0.0, 0
    for inputs, targets in micro_batches:
        s, n = _nll_sum(model(inputs), targets, IGNORE)
        s.backward()
        loss_sum += float(s.detach())
        count += int(n)
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    for g in grads:
        g.div_(count)
    if max_grad_norm is not None:
        norm = math.sqrt(sum(float(g.pow(2).sum()) for g in grads))
        if norm > max_grad_norm:
            for g in grads:
                g.mul_(max_grad_norm / norm)
    optimizer.step()
    return loss_sum / count

@contextmanager
def _evaluation(model: nn.Module):
    training = {name: m.training for name, m in model.named_modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield model
    finally:
        for name, m in model.named_modules():
            m.training = training[name]

def estimate_loss(model: nn.Module, data: Tensor, *, batch_size: int, block_size: int, num_batches: int, seed: int = 0) -> float:
    g = torch.Generator()
    g.manual_seed(seed)
    losses: list[float] = []
    with _evaluation(model):
        for _ in range(num_batches):
            inputs, targets = get_batch(data, batch_size, block_size, generator=g)
            losses.append(float(language_modeling_loss(model(inputs), targets)))
    return math.fsum(losses) / len(losses)
