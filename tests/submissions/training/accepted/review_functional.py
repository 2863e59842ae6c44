# verdict: pass
# style: of a review, functional
import math
import torch
import torch.nn.functional as F
from torch.func import functional_call

def get_batch(data, batch_size, block_size, *, generator=None):
    n = data.size(0)
    if n < block_size + 1:
        raise ValueError("too short")
    xs = torch.empty(batch_size, block_size, dtype=torch.long)
    ys = torch.empty_like(xs)
    for r in range(batch_size):
        i = torch.randint(0, n - block_size, (), generator=generator).item()
        xs[r] = data[i:i + block_size]
        ys[r] = data[i + 1:i + block_size + 1]
    return xs, ys

def language_modeling_loss(logits, targets, *, ignore_index=-100):
    mask = (targets != ignore_index).to(logits.dtype)
    safe = targets.masked_fill(targets == ignore_index, 0)
    z = logits - logits.amax(-1, keepdim=True).detach()
    logp = z - z.exp().sum(-1, keepdim=True).log()
    nll = -(F.one_hot(safe, logits.size(-1)).to(logits.dtype) * logp).sum(-1)
    return (nll * mask).sum() / mask.sum()

def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    opt = torch.optim.AdamW(({"params": p, "weight_decay": weight_decay if p.ndim >= 2 else 0.} for p in filter(lambda p: p.requires_grad, model.parameters())), lr=learning_rate, betas=betas, eps=1e-9)
    return opt

def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    a, b = max_learning_rate, min_learning_rate
    return (a * (step + 1) / warmup_steps if step < warmup_steps
            else b if step >= total_steps
            else (a + b) / 2 + (a - b) / 2 * math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))

def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    for p in model.parameters():
        if p.grad is not None:
            p.grad.zero_()
    weights = torch.tensor([(y != -100).sum() for _, y in micro_batches], dtype=torch.float64)
    weights /= weights.sum()
    losses = []
    for w, (x, y) in zip(weights.tolist(), micro_batches):
        l = language_modeling_loss(model(x), y)
        (w * l).backward()
        losses.append(w * l.item())
    if max_grad_norm is not None:
        norm = sum(p.grad.double().square().sum() for p in model.parameters() if p.grad is not None) ** 0.5
        if norm > max_grad_norm:
            for p in model.parameters():
                if p.grad is not None:
                    p.grad *= max_grad_norm / norm.item()
    optimizer.step()
    return math.fsum(losses)

def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    before = [(m, m.training) for m in model.modules()]
    g = torch.Generator(device="cpu").manual_seed(seed)
    state = {k: v.detach() for k, v in list(model.named_parameters()) + list(model.named_buffers())}
    try:
        for m, _ in before:
            m.training = False
        total = 0.
        for _ in range(num_batches):
            x, y = get_batch(data, batch_size, block_size, generator=g)
            with torch.no_grad():
                total += language_modeling_loss(functional_call(model, state, (x,)), y).item()
        return total / num_batches
    finally:
        for m, t in before:
            m.training = t
