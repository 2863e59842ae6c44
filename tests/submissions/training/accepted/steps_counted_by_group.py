# verdict: pass
# style: own AdamW that counts steps in its groups
import math
import torch


def get_batch(data, batch_size, block_size, *, generator=None):
    n = data.numel()
    if n <= block_size:
        raise ValueError(f"need {block_size + 1} tokens, got {n}")
    xs, ys = [], []
    for _ in range(batch_size):
        i = int(torch.randint(0, n - block_size, (), generator=generator))
        piece = data[i : i + block_size + 1].tolist()
        xs.append(piece[:-1])
        ys.append(piece[1:])
    return torch.tensor(xs, dtype=torch.int64), torch.tensor(ys, dtype=torch.int64)


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    keep = targets != ignore_index
    logits = logits[keep]
    targets = targets[keep]
    picked = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (torch.logsumexp(logits, -1) - picked).mean()


class HandMadeAdamW(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas, eps=1e-8):
        super().__init__(groups, dict(lr=lr, betas=betas, eps=eps, weight_decay=0.0))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            group["t"] = group.get("t", 0) + 1
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"] = torch.zeros_like(p)
                    s["v"] = torch.zeros_like(p)
                s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m = s["m"] / (1 - b1 ** group["t"])
                v = s["v"] / (1 - b2 ** group["t"])
                p -= group["lr"] * (m / (v.sqrt() + group["eps"]) + group["weight_decay"] * p)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    groups = []
    for p in model.parameters():
        if p.requires_grad:
            groups.append({"params": [p], "weight_decay": weight_decay if len(p.shape) > 1 else 0.0})
    return HandMadeAdamW(groups, learning_rate, betas)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return (step + 1) / warmup_steps * max_learning_rate
    if step < total_steps:
        angle = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
        return min_learning_rate + (max_learning_rate - min_learning_rate) * math.cos(angle / 2) ** 2
    return min_learning_rate


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    params = [p for p in model.parameters() if p.requires_grad]
    for p in params:
        p.grad = None
    tokens = 0
    total = 0.0
    for x, y in micro_batches:
        count = int((y != -100).sum())
        loss = language_modeling_loss(model(x), y) * count
        loss.backward()
        total += float(loss)
        tokens += count
    with torch.no_grad():
        squares = 0.0
        for p in params:
            p.grad /= tokens
            squares += float((p.grad**2).sum())
        norm = math.sqrt(squares)
        if max_grad_norm is not None and norm > max_grad_norm:
            for p in params:
                p.grad *= max_grad_norm / norm
    optimizer.step()
    return total / tokens


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    generator = torch.Generator().manual_seed(seed)
    before = [m.training for m in model.modules()]
    model.eval()
    total = 0.0
    with torch.no_grad():
        for _ in range(num_batches):
            x, y = get_batch(data, batch_size, block_size, generator=generator)
            total += float(language_modeling_loss(model(x), y))
    for m, was in zip(model.modules(), before):
        m.training = was
    return total / num_batches
