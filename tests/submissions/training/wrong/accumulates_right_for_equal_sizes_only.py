# verdict: fail
# part: Training
# cause: mean-of-means
# style: terse
import math, torch, torch.nn.functional as F


def get_batch(data, batch_size, block_size, generator=None):
    if len(data) <= block_size: raise ValueError(len(data))
    i = torch.randint(len(data) - block_size, (batch_size, 1), generator=generator) + torch.arange(block_size)
    return data[i], data[i + 1]


def language_modeling_loss(logits, targets, ignore_index=-100):
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=ignore_index)


def configure_optimizer(model, learning_rate, weight_decay, betas=(.9, .95)):
    return torch.optim.AdamW([{"params": [p], "weight_decay": weight_decay * (p.ndim > 1)} for p in model.parameters() if p.requires_grad], lr=learning_rate, betas=betas)


def learning_rate_at(step, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps: return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps: return min_learning_rate
    return min_learning_rate + (max_learning_rate - min_learning_rate) * (.5 + .5 * math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))


def train_step(model, optimizer, micro_batches, max_grad_norm=None):
    optimizer.zero_grad(); loss = 0
    n = sum((y >= 0).sum() for _, y in micro_batches)
    for x, y in micro_batches:
        l = language_modeling_loss(model(x), y) / len(micro_batches); l.backward(); loss += l.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm or math.inf)
    optimizer.step(); return loss


def estimate_loss(model, data, batch_size, block_size, num_batches, seed=0):
    g, m = torch.Generator().manual_seed(seed), [(k, k.training) for k in model.modules()]
    model.eval()
    with torch.no_grad(): r = [language_modeling_loss(model(x), y).item() for x, y in [get_batch(data, batch_size, block_size, generator=g) for _ in range(num_batches)]]
    for k, t in m: k.training = t
    return sum(r) / len(r)
