# verdict: pass
# style: transformers' Trainer: names of decaying parameters, a collator, tr_loss as a tensor, model.train() inside
import math
from typing import Optional

import torch
from torch import nn
from torch.utils.data import Dataset


class BlockDataset(Dataset):
    def __init__(self, data: torch.Tensor, block_size: int):
        if len(data) - block_size < 1:
            raise ValueError("The dataset is too small for a single example.")
        self.data = data
        self.block_size = block_size

    def __len__(self):
        return len(self.data) - self.block_size

    def __getitem__(self, idx):
        return {
            "input_ids": self.data[idx : idx + self.block_size],
            "labels": self.data[idx + 1 : idx + 1 + self.block_size],
        }


def default_data_collator(features):
    return {key: torch.stack([f[key] for f in features]) for key in features[0]}


def get_batch(data, batch_size, block_size, *, generator: Optional[torch.Generator] = None):
    dataset = BlockDataset(data, block_size)
    sampler = torch.utils.data.RandomSampler(
        dataset, replacement=True, num_samples=batch_size, generator=generator
    )
    batch = default_data_collator([dataset[i] for i in sampler])
    return batch["input_ids"], batch["labels"]


def language_modeling_loss(logits, targets, *, ignore_index=-100):
    loss_fct = nn.CrossEntropyLoss(ignore_index=ignore_index)
    return loss_fct(logits.contiguous().view(-1, logits.size(-1)), targets.contiguous().view(-1))


def get_decay_parameter_names(model):
    return [name for name, p in model.named_parameters() if p.ndim >= 2]


def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    decay_parameters = get_decay_parameter_names(model)
    optimizer_grouped_parameters = [
        {
            "params": [p for n, p in model.named_parameters() if (n in decay_parameters and p.requires_grad)],
            "weight_decay": weight_decay,
        },
        {
            "params": [p for n, p in model.named_parameters() if (n not in decay_parameters and p.requires_grad)],
            "weight_decay": 0.0,
        },
    ]
    optimizer_cls, optimizer_kwargs = torch.optim.AdamW, {"lr": learning_rate, "betas": betas, "eps": 1e-8}
    return optimizer_cls(optimizer_grouped_parameters, **optimizer_kwargs)


def _get_cosine_schedule_lr_lambda(current_step, *, num_warmup_steps, num_training_steps, min_lr_rate):
    if current_step < num_warmup_steps:
        return float(current_step + 1) / float(max(1, num_warmup_steps))
    progress = float(current_step - num_warmup_steps) / float(max(1, num_training_steps - num_warmup_steps))
    if current_step >= num_training_steps:
        progress = 1.0
    factor = 0.5 * (1.0 + math.cos(math.pi * progress))
    return factor * (1 - min_lr_rate) + min_lr_rate


def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    return max_learning_rate * _get_cosine_schedule_lr_lambda(
        step,
        num_warmup_steps=warmup_steps,
        num_training_steps=total_steps,
        min_lr_rate=min_learning_rate / max_learning_rate,
    )


def train_step(model, optimizer, micro_batches, *, max_grad_norm=None):
    model.train()
    model.zero_grad()
    num_items_in_batch = sum((labels.ne(-100)).sum() for _, labels in micro_batches)
    tr_loss = torch.tensor(0.0)
    for input_ids, labels in micro_batches:
        logits = model(input_ids)
        loss = nn.functional.cross_entropy(
            logits.view(-1, logits.size(-1)), labels.reshape(-1), ignore_index=-100, reduction="sum"
        )
        loss = loss / num_items_in_batch
        loss.backward()
        tr_loss = tr_loss + loss.detach()
    if max_grad_norm is not None and max_grad_norm > 0:
        _grad_norm = nn.utils.clip_grad_norm_(
            [p for group in optimizer.param_groups for p in group["params"]], max_grad_norm
        )
    optimizer.step()
    model.zero_grad()
    return tr_loss.item()


def estimate_loss(model, data, *, batch_size, block_size, num_batches, seed=0):
    generator = torch.Generator()
    generator.manual_seed(seed)
    was = [(module, module.training) for module in model.modules()]
    model.eval()
    losses = []
    for _ in range(num_batches):
        input_ids, labels = get_batch(data, batch_size, block_size, generator=generator)
        with torch.no_grad():
            losses.append(language_modeling_loss(model(input_ids), labels).repeat(batch_size))
    for module, mode in was:
        module.training = mode
    return torch.cat(losses).mean().item()
