# verdict: fail
# part: Training
# cause: gradients-not-kept
# style: deutsch mit klasse
import contextlib
import math

import torch
import torch.nn.functional as F


def get_batch(data, batch_size, block_size, *, generator=None):
    laenge = data.shape[0]
    if laenge < block_size + 1:
        raise ValueError(f"{laenge} Token reichen nicht für Blöcke von {block_size}")
    anfaenge = torch.randint(0, laenge - block_size, (batch_size,), generator=generator)
    eingaben = torch.empty(batch_size, block_size, dtype=torch.long)
    ziele = torch.empty(batch_size, block_size, dtype=torch.long)
    for zeile, anfang in enumerate(anfaenge.tolist()):
        eingaben[zeile] = data[anfang : anfang + block_size]
        ziele[zeile] = data[anfang + 1 : anfang + block_size + 1]
    assert eingaben.shape == ziele.shape == (batch_size, block_size)
    return [eingaben, ziele]


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    zaehlt = (targets != ignore_index).to(logits.dtype)
    sicher = torch.where(targets == ignore_index, torch.zeros_like(targets), targets)
    log_p = F.log_softmax(logits, dim=-1)
    je_token = -(log_p * F.one_hot(sicher, logits.shape[-1])).sum(-1)
    return (je_token * zaehlt).sum() / zaehlt.sum()


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    matrizen = {n: p for n, p in model.named_parameters() if p.requires_grad and p.ndim >= 2}
    vektoren = {n: p for n, p in model.named_parameters() if p.requires_grad and n not in matrizen}
    gruppen = [dict(params=list(matrizen.values()), weight_decay=weight_decay)]
    gruppen += [dict(params=list(vektoren.values()), weight_decay=0.0)]
    return torch.optim.AdamW(gruppen, learning_rate, betas)


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_learning_rate * (step + 1) / warmup_steps
    anteil = 1.0
    if total_steps > warmup_steps:
        anteil = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * 0.5 * (1.0 + math.cos(math.pi * anteil))


@contextlib.contextmanager
def _ausgewertet(model):
    modi = {name: m.training for name, m in model.named_modules()}
    model.eval()
    try:
        yield model
    finally:
        for name, m in model.named_modules():
            m.training = modi[name]


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    anzahl = [torch.sum(ziele != -100).item() for _, ziele in micro_batches]
    gesamt = sum(anzahl)
    for gruppe in optimizer.param_groups:
        for p in gruppe["params"]:
            if p.grad is not None:
                p.grad.zero_()
    verlust = 0.0
    for n, (eingaben, ziele) in zip(anzahl, micro_batches):
        teil = language_modeling_loss(model(eingaben), ziele)
        assert teil.ndim == 0
        teil.backward(torch.tensor(n / gesamt, dtype=teil.dtype))
        verlust += teil.item() * n / gesamt
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm, foreach=False)
    optimizer.step()
    return verlust


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    zufall = torch.Generator().manual_seed(seed)
    model.zero_grad()
    with _ausgewertet(model), torch.no_grad():
        summe = 0.0
        for _ in range(num_batches):
            eingaben, ziele = get_batch(data, batch_size, block_size, generator=zufall)
            summe += language_modeling_loss(model(eingaben), ziele).item()
    return summe / num_batches
