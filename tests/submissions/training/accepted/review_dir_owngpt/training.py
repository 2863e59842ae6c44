# verdict: pass
# style: of a review, dir owngpt
from data import get_batch
from loss import language_modeling_loss, summed
from optim import configure_optimizer, learning_rate_at
import torch

def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    optimizer.zero_grad()
    n = sum((t != -100).sum() for _, t in micro_batches)
    parts = []
    for i, t in micro_batches:
        part = summed(model(i), t) / n
        part.backward()
        parts.append(part.detach())
    if max_grad_norm:
        torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], max_grad_norm, foreach=False)
    optimizer.step()
    return sum(parts).item()

def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    gen = torch.Generator(); gen.manual_seed(seed)
    was = [m for m in model.modules() if m.training]
    model.eval()
    with torch.no_grad():
        batches = [get_batch(data, batch_size, block_size, generator=gen) for _ in range(num_batches)]
        x = torch.cat([b[0] for b in batches]); y = torch.cat([b[1] for b in batches])
        value = sum(language_modeling_loss(model(a), b).item() for a, b in zip(x.split(batch_size), y.split(batch_size))) / num_batches
    for m in was:
        m.training = True
    return value
