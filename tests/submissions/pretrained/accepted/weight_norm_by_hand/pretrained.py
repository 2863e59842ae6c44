# verdict: pass
# style: weights are a direction and a length, both worked out of the variable in double precision
import torch


class Filler:
    """Collects what is to be written; writes it when everything is there."""

    def __init__(self, variables):
        self.variables = variables
        self.used = set()
        self.jobs = []

    def get(self, name, shape):
        self.used.add(name)
        if name not in self.variables:
            raise ValueError(f"variable {name} not found")
        if tuple(self.variables[name].shape) != shape:
            found = tuple(self.variables[name].shape)
            raise ValueError(f"variable {name}: found {found}, wanted {shape}")
        return self.variables[name].double()

    def linear(self, module, weight, bias):
        self.jobs.append((module.direction, weight))
        self.jobs.append((module.length, weight.norm(dim=1)))
        self.jobs.append((module.bias, bias))

    def norm(self, module, prefix):
        size = tuple(module.weight.shape)
        self.jobs.append((module.weight, self.get(prefix + "/g", size)))
        self.jobs.append((module.bias, self.get(prefix + "/b", size)))

    def finish(self):
        for name in self.variables:
            if name not in self.used:
                raise ValueError(f"variable {name} not wanted")
        for parameter, value in self.jobs:
            parameter.detach().copy_(value)


def load_openai_weights(model, variables):
    f = Filler(variables)
    V, C = model.tokens.weight.shape
    wte = f.get("model/wte", (V, C))
    f.jobs.append((model.tokens.weight, wte))
    f.linear(model.head, wte, torch.zeros(V))
    wpe = f.get("model/wpe", tuple(model.positions.weight.shape))
    f.jobs.append((model.positions.weight, wpe))
    f.norm(model.norm, "model/ln_f")
    for i, block in enumerate(model.blocks):
        h = f"model/h{i}"
        f.norm(block.norm1, h + "/ln_1")
        f.norm(block.norm2, h + "/ln_2")
        w = f.get(h + "/attn/c_attn/w", (1, C, 3 * C))[0].T
        b = f.get(h + "/attn/c_attn/b", (3 * C,))
        for n, name in enumerate(("query", "key", "value")):
            own = slice(n * C, (n + 1) * C)
            f.linear(getattr(block.attention, name), w[own], b[own])
        for own, name, n_in, n_out in (
            (block.attention.out, "attn/c_proj", C, C),
            (block.mlp.up, "mlp/c_fc", C, 4 * C),
            (block.mlp.down, "mlp/c_proj", 4 * C, C),
        ):
            w = f.get(f"{h}/{name}/w", (1, n_in, n_out))[0].T
            f.linear(own, w, f.get(f"{h}/{name}/b", (n_out,)))
    f.finish()
