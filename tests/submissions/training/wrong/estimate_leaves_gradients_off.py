# verdict: fail
# part: Training
# cause: recording-not-kept
# style: trainer object; gradients are switched off for the estimate, and stay off
from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class WarmupCosine:
    peak: float
    floor: float
    warmup: int
    total: int

    def __call__(self, step: int) -> float:
        for limit, rate in ((self.warmup, self.rising), (self.total, self.falling)):
            if step < limit:
                return rate(step)
        return self.floor

    def rising(self, step: int) -> float:
        return self.peak * ((step + 1) / self.warmup)

    def falling(self, step: int) -> float:
        done = (step - self.warmup) / (self.total - self.warmup)
        weight = 0.5 + 0.5 * math.cos(done * math.pi)
        return weight * self.peak + (1 - weight) * self.floor


class Sampler:
    def __init__(self, data: Tensor, block_size: int) -> None:
        self.data, self.block_size = data, block_size
        self.count = data.numel() - block_size
        if self.count < 1:
            raise ValueError("not enough data")

    def draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        weights = torch.ones(self.count)
        starts = torch.multinomial(weights, n, replacement=True, generator=generator)
        rows = [self.data.narrow(0, int(s), self.block_size + 1) for s in starts]
        both = torch.vstack(rows)
        return both.narrow(1, 0, self.block_size), both.narrow(1, 1, self.block_size)


class Loss(nn.CrossEntropyLoss):
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return super().forward(logits.permute(0, 2, 1), targets)


class Accumulator:
    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.loss, self.tokens = 0.0, 0

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        summed = nn.functional.cross_entropy(
            self.model(inputs).reshape(targets.numel(), -1), targets.reshape(-1), reduction="sum"
        )
        summed.backward()
        self.loss += summed.item()
        self.tokens += int((targets != -100).sum())

    def finish(self, limit: float | None) -> float:
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        for g in grads:
            g.div_(self.tokens)
        if limit is not None:
            nn.utils.clip_grads_with_norm_(
                [p for p in self.model.parameters() if p.grad is not None],
                limit,
                nn.utils.get_total_norm(grads),
            )
        self.optimizer.step()
        return self.loss / self.tokens


def get_batch(data, batch_size, block_size, *, generator=None):
    return Sampler(data, block_size).draw(batch_size, generator)


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return Loss(ignore_index=ignore_index)(logits, targets)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    def is_matrix(p):
        return p.ndim >= 2

    trained = list(filter(lambda p: p.requires_grad, model.parameters()))
    return torch.optim.AdamW(
        params=[
            {"params": [p for p in trained if not is_matrix(p)], "weight_decay": 0},
            {"params": [p for p in trained if is_matrix(p)]},
        ],
        lr=learning_rate,
        betas=betas,
        weight_decay=weight_decay,
    )


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    return WarmupCosine(max_learning_rate, min_learning_rate, warmup_steps, total_steps)(step)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    optimizer.zero_grad()
    accumulator = Accumulator(model, optimizer)
    waiting = deque(micro_batches)
    while waiting:
        accumulator.add(*waiting.popleft())
    return accumulator.finish(max_grad_norm)


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = [(m, m.training) for m in model.modules()]
    torch.set_grad_enabled(False)
    for m, _ in modes:
        m.training = False
    try:
        generator, total = torch.Generator().manual_seed(seed), 0.0
        for _ in range(num_batches):
            inputs, targets = get_batch(data, batch_size, block_size, generator=generator)
            total += language_modeling_loss(model(inputs), targets).item() / num_batches
        return total
    finally:
        for m, mode in modes:
            m.training = mode
