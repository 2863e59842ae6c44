# verdict: fail
# part: Optimizer and schedule
# cause: parameter-missing
# style: groups of two axes or more and of just one
import math
import torch


def get_batch(data, batch_size, block_size, generator=None):
    number = data.numel() - block_size
    if number < 1:
        raise ValueError("need more data")
    at = torch.empty(batch_size, dtype=torch.int64).random_(0, number, generator=generator)
    grid = at.view(-1, 1).expand(-1, block_size + 1) + torch.arange(block_size + 1)
    tokens = data.index_select(0, grid.reshape(-1)).view(batch_size, block_size + 1)
    inputs, targets = tokens.split([block_size, 1], 1)
    return inputs, torch.cat([inputs[:, 1:], targets], 1)


def _nll(logits, targets, ignore_index):
    flat = logits.reshape(-1, logits.shape[-1])
    wanted = targets.reshape(-1)
    use = (wanted != ignore_index).nonzero().flatten()
    flat, wanted = flat[use], wanted[use]
    top = flat.amax(1, keepdim=True).detach()
    log_z = (flat - top).exp().sum(1).log() + top.squeeze(1)
    return log_z - flat[torch.arange(len(use)), wanted]


def language_modeling_loss(logits, targets, ignore_index=-100):
    return torch.mean(_nll(logits, targets, ignore_index))


def configure_optimizer(model, learning_rate, weight_decay, betas=(0.9, 0.95)):
    unique = {id(p): p for p in model.parameters() if p.requires_grad}.values()
    return torch.optim.AdamW(
        [
            {"params": [p for p in unique if p.squeeze().shape == p.shape and p.dim() > 1 or p.dim() > 1]},
            {"params": [p for p in unique if p.dim() == 1], "weight_decay": 0.0},
        ],
        learning_rate,
        tuple(betas),
        weight_decay=weight_decay,
        foreach=True,
    )


def learning_rate_at(step, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step + 1 <= warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    if step > total_steps - 1:
        return min_learning_rate
    x = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * (1 + math.cos(x)) / 2


def train_step(model, optimizer, micro_batches, max_grad_norm=None):
    # A running mean: each new micro-batch pulls the gradient towards its own by its share so far.
    mean, seen, loss = None, 0, 0.0
    for x, y in micro_batches:
        optimizer.zero_grad()
        each = _nll(model(x), y, -100)
        each.mean().backward()
        seen += len(each)
        share = len(each) / seen
        own = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]
        mean = own if mean is None else [m + share * (o - m) for m, o in zip(mean, own)]
        loss += share * (each.mean().item() - loss)
    for p, m in zip(model.parameters(), mean):
        if p.requires_grad:
            p.grad = m
    if max_grad_norm is not None:
        norm = math.hypot(*(m.norm().item() for m in mean))
        if norm > max_grad_norm:
            for p in model.parameters():
                if p.grad is not None:
                    p.grad = p.grad * (max_grad_norm / norm)
    optimizer.step()
    return loss


def estimate_loss(model, data, batch_size, block_size, num_batches, seed=0):
    generator = torch.Generator()
    generator.manual_seed(seed)
    pairs = [get_batch(data, batch_size, block_size, generator=generator) for _ in range(num_batches)]
    inputs = torch.cat([x for x, _ in pairs])
    targets = torch.cat([y for _, y in pairs])
    modes = [m.training for m in model.modules()]
    model.eval()
    with torch.no_grad():
        loss = language_modeling_loss(model(inputs), targets)
    [setattr(m, "training", t) for m, t in zip(model.modules(), modes)]
    return loss.item()
