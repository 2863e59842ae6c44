# verdict: pass
# style: vmap over rows inside a micro-batch, a closure for step, AdamW over one flat vector
import math

import torch
from torch.func import functional_call, grad_and_value, vmap


class FlatAdamW(torch.optim.Optimizer):
    """Moments of each parameter in one place; those without a gradient are passed over."""

    def __init__(self, groups, lr, betas):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            some = [p for p in group["params"] if p.grad is not None]
            if not some:
                continue
            for p in some:
                if p not in self.state:
                    self.state[p] = {"t": 0, "mv": p.new_zeros(2, p.numel())}
                self.state[p]["t"] += 1
            g = torch.cat([p.grad.flatten() for p in some])
            mv = torch.cat([self.state[p]["mv"] for p in some], 1)
            t = torch.cat([torch.full((p.numel(),), self.state[p]["t"]) for p in some])
            mv = torch.stack([b1 * mv[0] + (1 - b1) * g, b2 * mv[1] + (1 - b2) * g * g])
            step = mv[0] / (1 - b1**t) / ((mv[1] / (1 - b2**t)).sqrt() + 1e-8)
            sizes = [p.numel() for p in some]
            pieces = zip(some, step.split(sizes), mv.split(sizes, 1), strict=True)
            for p, own, moments in pieces:
                p.mul_(1 - lr * group["weight_decay"]).sub_(lr * own.view_as(p))
                self.state[p]["mv"] = moments.clone()
        return loss


def get_batch(data, batch_size, block_size, *, generator=None):
    if len(data) < block_size + 1:
        raise ValueError("too short")
    at = torch.randint(len(data) - block_size, (batch_size, 1), generator=generator)
    window = data[at + torch.arange(block_size + 1)]
    return window[:, :-1], window[:, 1:]


def _summed(logits, targets, ignored):
    counts = targets != ignored
    token = torch.where(counts, targets, 0)
    one = logits.gather(-1, token[..., None])[..., 0]
    return ((logits.logsumexp(-1) - one) * counts).sum()


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return _summed(logits, targets, ignore_index) / (targets != ignore_index).sum()


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    trained = [p for p in model.parameters() if p.requires_grad]
    return FlatAdamW(
        [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in trained if p.ndim <= 1]},
        ],
        learning_rate,
        betas,
    )


def learning_rate_at(
    step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps
):
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    span = total_steps - warmup_steps
    done = 1.0 if step >= total_steps else (step - warmup_steps) / span
    low, high = min_learning_rate, max_learning_rate
    return low if done == 1 else low + (high - low) * math.cos(done * math.pi / 2) ** 2


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}

    def of_row(tree, x, y):
        return _summed(functional_call(model, tree, (x[None],)), y[None], -100)

    rows = vmap(grad_and_value(of_row), in_dims=(None, 0, 0), randomness="different")

    def closure():
        optimizer.zero_grad()
        count, loss = 0, 0.0
        for x, y in micro_batches:
            own, values = rows({n: p.detach() for n, p in trained.items()}, x, y)
            count += int((y != -100).sum())
            loss += values.sum().item()
            for n, p in trained.items():
                p.grad = own[n].sum(0) if p.grad is None else p.grad + own[n].sum(0)
        squares = 0.0
        for p in trained.values():
            p.grad /= count
            squares += p.grad.square().sum().item()
        if max_grad_norm is not None:
            for p in trained.values():
                p.grad *= min(1.0, max_grad_norm / math.sqrt(squares))
        return loss / count

    flat = isinstance(optimizer, FlatAdamW)
    return optimizer.step(closure) if flat else _plain(optimizer, closure)


def _plain(optimizer, closure):
    loss = closure()
    optimizer.step()
    return loss


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = {m: m.training for m in model.modules()}
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        model.eval()
        losses = [
            language_modeling_loss(model(x), y)
            for x, y in (
                get_batch(data, batch_size, block_size, generator=generator)
                for _ in range(num_batches)
            )
        ]
    for m, mode in modes.items():
        m.training = mode
    return torch.stack(losses).mean().item()
