# verdict: pass
# style: the adapter is nn.Sequential(down, up); merged by sending the identity through it
import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.frozen = linear
        self.frozen.requires_grad_(False)
        self.adapter = nn.Sequential(
            nn.Linear(linear.in_features, rank, bias=False),
            nn.Linear(rank, linear.out_features, bias=False),
        ).to(device=linear.weight.device, dtype=linear.weight.dtype)
        nn.init.constant_(self.adapter[1].weight, 0.0)
        self.scaling = float(alpha) / rank

    def forward(self, x):
        return torch.add(self.frozen(x), self.adapter(x), alpha=self.scaling)

    def unwrap(self):
        eye = torch.eye(
            self.frozen.in_features, dtype=self.frozen.weight.dtype, device=self.frozen.weight.device
        )
        with torch.no_grad():
            weight = self.frozen.weight + self.scaling * self.adapter(eye).T
        self.frozen.weight = nn.Parameter(weight)
        return self.frozen


def replace_layers(model, wanted, make):
    made = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if not isinstance(module, wanted):
            continue
        owner_path, _, attribute = path.rpartition(".")
        owner = model.get_submodule(owner_path)
        if isinstance(owner, LoRALinear) or ".adapter" in f".{path}":
            continue
        if module not in made:
            made[module] = make(module)
        setattr(owner, attribute, made[module])


def add_lora(model, rank, alpha):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    replace_layers(model, nn.Linear, lambda layer: LoRALinear(layer, rank, alpha))


def merge_lora(model):
    replace_layers(model, LoRALinear, lambda layer: layer.unwrap())
