# verdict: pass
# style: the norm's weight is one plus gamma, so gamma is g - 1; head with a bias; match statement
import torch


def load_openai_weights(model, variables):
    C = model.tokens.weight.shape[1]
    copies = []  # (parameter, value)
    seen = set()
    for name, value in variables.items():
        path = name.split("/")
        if path[0] != "model" or len(path) < 2:
            raise ValueError(f"{name}: what is this?")
        block = None
        if path[1][0] == "h" and path[1][1:].isdecimal():
            number = int(path[1][1:])
            if number >= len(model.blocks) or path[1] != f"h{number}":
                raise ValueError(f"{name}: there are {len(model.blocks)} blocks")
            block = model.blocks[number]
        rest = path[1:] if block is None else path[2:]
        match (block is not None, rest):
            case (False, ["wte"]):
                shape = (model.tokens.num_embeddings, C)
                new = [(model.tokens.weight, value), (model.head.weight, value)]
                new.append((model.head.bias, torch.zeros_like(model.head.bias)))
            case (False, ["wpe"]):
                shape = (model.positions.num_embeddings, C)
                new = [(model.positions.weight, value)]
            case (False, ["ln_f", ("g" | "b") as what]) | (
                True,
                [("ln_1" | "ln_2"), ("g" | "b") as what],
            ):
                norm = model.norm if block is None else getattr(block, "norm" + rest[0][-1])
                shape = (C,)
                new = [(norm.gamma, value - 1) if what == "g" else (norm.beta, value)]
            case (True, ["attn", "c_attn", ("w" | "b") as what]):
                a = block.attention
                shape = (1, C, 3 * C) if what == "w" else (3 * C,)
                linears = (a.query, a.key, a.value)
                if what == "w" and value.shape == shape:
                    new = [(m.weight, p) for m, p in zip(linears, value[0].T.split(C))]
                else:
                    new = [(m.bias, p) for m, p in zip(linears, value.split(C))]
            case (True, [("attn" | "mlp") as part, ("c_proj" | "c_fc") as layer, ("w" | "b") as w]):
                own = {
                    ("attn", "c_proj"): block.attention.out,
                    ("mlp", "c_fc"): block.mlp.up,
                    ("mlp", "c_proj"): block.mlp.down,
                }.get((part, layer))
                if own is None:
                    raise ValueError(f"{name}: no such layer")
                n_out, n_in = own.weight.shape
                shape = (1, n_in, n_out) if w == "w" else (n_out,)
                new = [(own.weight, value[0].T) if w == "w" else (own.bias, value)]
            case _:
                raise ValueError(f"{name}: the model has no such variable")
        if value.shape != shape:
            raise ValueError(f"{name}: {tuple(value.shape)} should be {shape}")
        copies += new
        seen.add(name)
    wanted = {"model/wte", "model/wpe", "model/ln_f/g", "model/ln_f/b"}
    for i in range(len(model.blocks)):
        for part in ("ln_1/g", "ln_1/b", "ln_2/g", "ln_2/b"):
            wanted.add(f"model/h{i}/{part}")
        for part in ("attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj"):
            wanted |= {f"model/h{i}/{part}/w", f"model/h{i}/{part}/b"}
    if missing := sorted(wanted - seen):
        raise ValueError(f"{missing[0]} is missing")
    with torch.no_grad():
        for parameter, value in copies:
            parameter.copy_(value)
