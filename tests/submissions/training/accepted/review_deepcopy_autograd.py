# verdict: pass
# style: of a review, deepcopy autograd
import copy
from math import cos, pi
import torch
from torch.nn.functional import log_softmax, nll_loss, one_hot

def get_batch(data, batch_size, block_size, *, generator=None):
    try:
        windows = data.unfold(0, block_size + 1, 1)
    except RuntimeError as e:
        raise ValueError("not enough data: %d tokens for blocks of %d" % (len(data), block_size)) from e
    pick = torch.multinomial(torch.ones(len(windows)), batch_size, replacement=True, generator=generator)
    w = windows[pick]
    return w[:, :block_size].clone(), w[:, 1:].clone()

def language_modeling_loss(logits, targets, *, ignore_index=-100):
    logp = log_softmax(logits, dim=-1)
    return nll_loss(logp.flatten(0, 1), targets.flatten(), ignore_index=ignore_index)

def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    seen, groups = set(), {True: [], False: []}
    for module in model.modules():
        for p in module.parameters(recurse=False):
            if p.requires_grad and id(p) not in seen:
                seen.add(id(p))
                groups[p.dim() >= 2].append(p)
    return torch.optim.AdamW(
        [{"params": ps, "weight_decay": weight_decay * decays} for decays, ps in groups.items() if ps],
        lr=learning_rate, betas=betas, foreach=True)

def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        lr = max_learning_rate / warmup_steps * (step + 1)
    elif step < total_steps:
        done = (step - warmup_steps) / (total_steps - warmup_steps)
        lr = min_learning_rate + (max_learning_rate - min_learning_rate) * (cos(pi * done) + 1) / 2
    else:
        lr = min_learning_rate
    return float(lr)

def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    params = [p for g in optimizer.param_groups for p in g["params"]]
    counts = [int(y.ne(-100).sum()) for _, y in micro_batches]
    n = sum(counts)
    grads, loss = [None] * len(params), 0.0
    for (x, y), c in zip(micro_batches, counts):
        l = language_modeling_loss(model(x), y) * (c / n)
        new = torch.autograd.grad(l, params, allow_unused=True)
        grads = [b if a is None else a if b is None else a + b for a, b in zip(grads, new)]
        loss += l.item()
    if max_grad_norm is not None:
        norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in grads if g is not None]))
        scale = (max_grad_norm / norm).clamp(max=1.0)
        grads = [None if g is None else g * scale for g in grads]
    for p, g in zip(params, grads):
        p.grad = g
    optimizer.step()
    optimizer.zero_grad()
    return loss

def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    g = torch.Generator().manual_seed(seed)
    return sum(language_modeling_loss(twin(x), y).item()
               for x, y in (get_batch(data, batch_size, block_size, generator=g) for _ in range(num_batches))) / num_batches
