# verdict: pass
# style: heads interleaved, roles innermost: index tensors say which column goes to which row
import torch


def rows_of(C, H):
    """Which of c_attn's columns is row (d, h, role) of proj_in."""
    D = C // H
    return [role * C + h * D + d for d in range(D) for h in range(H) for role in range(3)]


def columns_of(C, H):
    """Which of c_proj's rows is column (d, h) of proj_out."""
    D = C // H
    return [h * D + d for d in range(D) for h in range(H)]


def load_openai_weights(model, variables):
    T, C, V = model.pos.shape[1], model.pos.shape[0], model.emb.num_embeddings
    shapes = {"wte": (V, C), "wpe": (T, C), "ln_f/g": (C,), "ln_f/b": (C,)}
    for i in range(len(model.stack)):
        for k in ("1", "2"):
            shapes[f"h{i}/ln_{k}/g"] = shapes[f"h{i}/ln_{k}/b"] = (C,)
        for k, a, b in (
            ("attn/c_attn", C, 3 * C),
            ("attn/c_proj", C, C),
            ("mlp/c_fc", C, 4 * C),
            ("mlp/c_proj", 4 * C, C),
        ):
            shapes[f"h{i}/{k}/w"] = (1, a, b)
            shapes[f"h{i}/{k}/b"] = (b,)
    shapes = {"model/" + name: shape for name, shape in shapes.items()}
    for name in sorted({*shapes, *variables}):
        if name not in variables:
            raise ValueError(name + " is not in the checkpoint")
        if name not in shapes:
            raise ValueError(name + " is not a variable of this model")
        if variables[name].shape != shapes[name]:
            raise ValueError(name + " is of shape " + str(list(variables[name].shape)))

    v = {name: value.detach().clone() for name, value in variables.items()}
    model.emb.weight.data[:] = v["model/wte"]
    model.out.weight.data[:] = v["model/wte"]
    model.pos.data[:] = v["model/wpe"].T
    model.ln.weight.data[:] = v["model/ln_f/g"]
    model.ln.bias.data[:] = v["model/ln_f/b"]
    for i, layer in enumerate(model.stack):
        h = f"model/h{i}/"
        attention, mlp = layer.subs
        for norm, k in zip(layer.norms, ("ln_1", "ln_2")):
            norm.weight.data[:] = v[h + k + "/g"]
            norm.bias.data[:] = v[h + k + "/b"]
        rows = rows_of(C, attention.num_heads)
        attention.proj_in.weight.data[:] = v[h + "attn/c_attn/w"][0].T[rows]
        attention.proj_in.bias.data[:] = v[h + "attn/c_attn/b"][rows]
        columns = columns_of(C, attention.num_heads)
        attention.proj_out.weight.data[:] = v[h + "attn/c_proj/w"][0].T[:, columns]
        attention.proj_out.bias.data[:] = v[h + "attn/c_proj/b"]
        mlp.a.weight.data[:] = v[h + "mlp/c_fc/w"][0].T
        mlp.a.bias.data[:] = v[h + "mlp/c_fc/b"]
        mlp.b.weight.data[:] = v[h + "mlp/c_proj/w"][0].T
        mlp.b.bias.data[:] = v[h + "mlp/c_proj/b"]
