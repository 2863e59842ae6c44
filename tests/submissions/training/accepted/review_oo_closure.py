# verdict: pass
# style: of a review, oo closure
"""Training, with a small Trainer class behind the functions."""
import math, types
import torch
import torch.nn as nn
import torch.nn.functional as F

class Schedule:
    def __init__(self, peak, floor, warmup, total):
        self.peak, self.floor, self.warmup, self.total = peak, floor, warmup, total
    def __call__(self, s):
        if s < self.warmup: return self.peak * ((s + 1) / self.warmup)
        if s >= self.total: return self.floor
        x = (s - self.warmup) / (self.total - self.warmup)
        return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * x)) / 2

class Windows(torch.utils.data.Dataset):
    def __init__(self, data, T):
        if data.shape[0] <= T: raise ValueError("data has to have more than block_size tokens")
        self.data, self.T = data, T
    def __len__(self): return self.data.shape[0] - self.T
    def __getitem__(self, i):
        return self.data[i:i + self.T], self.data[i + 1:i + 1 + self.T]

def get_batch(data, batch_size, block_size, *, generator=None):
    ds = Windows(data, block_size)
    starts = (torch.rand(batch_size, generator=generator, dtype=torch.float64) * len(ds)).floor().long().tolist()
    xs, ys = zip(*(ds[s] for s in starts))
    return torch.stack(xs), torch.stack(ys)

def language_modeling_loss(logits, targets, *, ignore_index=-100):
    return F.cross_entropy(logits.permute(0, 2, 1), targets, ignore_index=ignore_index)

def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    return torch.optim.Adam(
        [dict(params=[p for p in named.values() if p.dim() >= 2], weight_decay=weight_decay),
         dict(params=[p for p in named.values() if p.dim() <= 1], weight_decay=0)],
        lr=learning_rate, betas=betas, decoupled_weight_decay=True)

def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    return Schedule(max_learning_rate, min_learning_rate, warmup_steps, total_steps)(step)

class Trainer:
    def __init__(self, model, optimizer, clip): self.model, self.optimizer, self.clip = model, optimizer, clip
    def step(self, batches):
        total = [0.0]
        n = sum(int(torch.count_nonzero(y + 100)) for _, y in batches)
        def closure():
            self.optimizer.zero_grad()
            for p in self.model.parameters(): p.grad = None
            with torch.enable_grad():
                for x, y in batches:
                    l = F.cross_entropy(self.model(x).flatten(0, 1), y.flatten(), reduction="none").sum() / n
                    l.backward()
                    total[0] += l.item()
            if self.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            return total[0]
        return float(self.optimizer.step(closure))

def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    return Trainer(model, optimizer, max_grad_norm).step(list(micro_batches))

def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)   # the default generator gives what torch.Generator(seed) gives
        flags = [m.training for m in model.modules()]
        try:
            model.eval()
            out = [language_modeling_loss(model(x), y) for x, y in (get_batch(data, batch_size, block_size) for _ in range(num_batches))]
        finally:
            for m, f in zip(model.modules(), flags): m.train(f) if not list(m.children()) else setattr(m, "training", f)
    return torch.stack(out).mean().item()
