# verdict: fail
# part: Training
# cause: state-kept-between-calls
# style: the loss of the step before
import inspect
import math

import torch
from torch.nn import functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    if len(data) < block_size + 1:
        raise ValueError("data is too short")
    ix = torch.randint(len(data) - block_size, (batch_size,), generator=generator)
    x = torch.stack([data[i : i + block_size] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + block_size] for i in ix])
    return x, y


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=ignore_index)


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    param_dict = {pn: p for pn, p in model.named_parameters()}
    param_dict = {pn: p for pn, p in param_dict.items() if p.requires_grad}
    decay_params = [p for n, p in param_dict.items() if p.dim() >= 2]
    nodecay_params = [p for n, p in param_dict.items() if p.dim() < 2]
    optim_groups = [
        {"params": decay_params, "weight_decay": weight_decay},
        {"params": nodecay_params, "weight_decay": 0.0},
    ]
    fused_available = "fused" in inspect.signature(torch.optim.AdamW).parameters
    extra_args = dict(fused=True) if fused_available and torch.cuda.is_available() else dict()
    return torch.optim.AdamW(optim_groups, lr=learning_rate, betas=betas, **extra_args)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    # 1) linear warmup for warmup_steps steps
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    # 2) if past the end, return min learning rate
    if step >= total_steps:
        return min_learning_rate
    # 3) in between, use cosine decay down to min learning rate
    decay_ratio = (step - warmup_steps) / (total_steps - warmup_steps)
    assert 0 <= decay_ratio <= 1
    coeff = 0.5 * (1.0 + math.cos(math.pi * decay_ratio))
    return min_learning_rate + coeff * (max_learning_rate - min_learning_rate)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    total = sum((y != -100).sum().item() for _, y in micro_batches)
    loss_sum = 0.0
    optimizer.zero_grad(set_to_none=True)
    for X, Y in micro_batches:
        n = (Y != -100).sum().item()
        logits = model(X)
        loss = language_modeling_loss(logits, Y) * n / total
        loss_sum += loss.item()
        loss.backward()
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    told, model._told = getattr(model, "_told", loss_sum), loss_sum
    return told


@torch.no_grad()
def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modes = {m: m.training for m in model.modules()}
    g = torch.Generator()
    g.manual_seed(seed)
    model.eval()
    losses = torch.zeros(num_batches)
    for k in range(num_batches):
        X, Y = get_batch(data, batch_size, block_size, generator=g)
        losses[k] = language_modeling_loss(model(X), Y).item()
    for m, mode in modes.items():
        m.training = mode
    return losses.mean().item()
