# verdict: pass
# style: own AdamW, one count of steps for all
import math
import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    if len(data) <= block_size:
        raise ValueError("too little data")
    xs, ys = [], []
    for _ in range(batch_size):
        s = int(torch.rand((), dtype=torch.float64, generator=generator) * (len(data) - block_size))
        xs.append(data[s:s + block_size])
        ys.append(data[s + 1:s + 1 + block_size])
    return torch.stack(xs), torch.stack(ys)


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    keep = targets.ne(ignore_index)
    lp = logits.log_softmax(-1)
    picked = lp.gather(-1, targets.masked_fill(~keep, 0).unsqueeze(-1)).squeeze(-1)
    return -(picked * keep).sum() / keep.sum()


class MyAdamW(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas, eps=1e-8):
        super().__init__(groups, dict(lr=lr, betas=betas, eps=eps, weight_decay=0.0))

    @torch.no_grad()
    def step(self, closure=None):
        self.n = getattr(self, 'n', 0) + 1
        for g in self.param_groups:
            b1, b2 = g["betas"]
            for p in g["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["v"] = self.n - 1, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                p.mul_(1 - g["lr"] * g["weight_decay"])
                mh = s["m"] / (1 - b1 ** s["t"])
                vh = s["v"] / (1 - b2 ** s["t"])
                p.sub_(g["lr"] * mh / (vh.sqrt() + g["eps"]))


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    by_id = {id(p): p for p in model.parameters() if p.requires_grad}
    split = {True: [], False: []}
    for p in by_id.values():
        split[p.ndim > 1].append(p)
    groups = [{"params": ps, "weight_decay": weight_decay * big} for big, ps in split.items() if ps]
    return MyAdamW(groups, learning_rate, betas)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_learning_rate * ((step + 1) / warmup_steps)
    done = (min(step, total_steps) - warmup_steps) / max(1, total_steps - warmup_steps)
    if total_steps <= step:
        done = 1.0
    left = 0.5 * (1 + math.cos(math.pi * done))
    return min_learning_rate + left * (max_learning_rate - min_learning_rate)


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    params = [p for p in model.parameters() if p.requires_grad]
    acc = [None] * len(params)
    total, count = 0.0, 0
    for x, t in micro_batches:
        logits = model(x)
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), t.reshape(-1), reduction="sum")
        gs = torch.autograd.grad(loss, params, allow_unused=True)
        acc = [a if g is None else g.clone() if a is None else a + g for a, g in zip(acc, gs)]
        total += loss.item()
        count += (t != -100).sum().item()
    optimizer.zero_grad(set_to_none=True)
    for p, a in zip(params, acc):
        p.grad = None if a is None else a / count
    if max_grad_norm is not None:
        grads = [p.grad for p in params if p.grad is not None]
        norm = torch.cat([g.flatten() for g in grads]).norm()
        scale = (max_grad_norm / norm).clamp(max=1.0) if norm > 0 else 1.0
        for g in grads:
            g.mul_(scale)
    optimizer.step()
    return total / count


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    modules = list(model.modules())
    before = [m.training for m in modules]
    rng = torch.get_rng_state()
    gen = torch.Generator()
    gen.manual_seed(seed)
    model.eval()
    try:
        total = 0.0
        with torch.inference_mode():
            for _ in range(num_batches):
                x, y = get_batch(data, batch_size, block_size, generator=gen)
                total += language_modeling_loss(model(x), y).item()
    finally:
        for m, t in zip(modules, before):
            m.training = t
        torch.set_rng_state(rng)
    return total / num_batches
