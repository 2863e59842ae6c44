import math, torch
def configure_optimizer(model, *, learning_rate, weight_decay, betas=(0.9, 0.95)):
    o = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad and p.ndim > 1], lr=learning_rate, betas=betas, weight_decay=weight_decay)
    rest = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    if rest:
        o.add_param_group({"params": rest, "weight_decay": 0.0})
    return o
def learning_rate_at(step, *, max_learning_rate, min_learning_rate, warmup_steps, total_steps):
    if warmup_steps > step:
        return max_learning_rate * (step + 1) / warmup_steps
    if step >= total_steps: return min_learning_rate
    angle = math.pi * (step - warmup_steps) / (total_steps - warmup_steps)
    return min_learning_rate + (max_learning_rate - min_learning_rate) * math.sin((math.pi - angle) / 2) ** 2
