# verdict: pass
# style: assign() as in a well-known book: new Parameters, tied again by hand
import torch


def names_of(n_layer):
    names = ["model/wte", "model/wpe", "model/ln_f/g", "model/ln_f/b"]
    for i in range(n_layer):
        for part in ("ln_1", "ln_2"):
            names += [f"model/h{i}/{part}/g", f"model/h{i}/{part}/b"]
        for part in ("attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj"):
            names += [f"model/h{i}/{part}/w", f"model/h{i}/{part}/b"]
    return names


def check(shapes, params):
    for name in shapes:
        if name not in params:
            raise ValueError(f"Variable {name} is not in the checkpoint")
    for name in params:
        if name not in shapes:
            raise ValueError(f"Variable {name} is not in the model")
    for name, shape in shapes.items():
        if list(params[name].shape) != shape:
            raise ValueError(f"Shape mismatch for {name}: {list(params[name].shape)} vs {shape}")


def assign(left, right):
    return torch.nn.Parameter(right.to(left.dtype).clone(), left.requires_grad)


def load_openai_weights(model, variables):
    params = variables
    V, C = model.token_embedding.weight.shape
    shapes = {}
    for name in names_of(len(model.blocks)):
        if name == "model/wte":
            shapes[name] = [V, C]
        elif name == "model/wpe":
            shapes[name] = [model.position_embedding.num_embeddings, C]
        elif name.endswith("c_attn/w"):
            shapes[name] = [1, C, 3 * C]
        elif name.endswith("attn/c_proj/w"):
            shapes[name] = [1, C, C]
        elif name.endswith("c_fc/w"):
            shapes[name] = [1, C, 4 * C]
        elif name.endswith("mlp/c_proj/w"):
            shapes[name] = [1, 4 * C, C]
        elif name.endswith("c_attn/b"):
            shapes[name] = [3 * C]
        elif name.endswith("c_fc/b"):
            shapes[name] = [4 * C]
        else:
            shapes[name] = [C]
    check(shapes, params)

    wte = assign(model.token_embedding.weight, params["model/wte"])
    model.token_embedding.weight = wte
    model.head.weight = wte  # weight tying
    model.position_embedding.weight = assign(model.position_embedding.weight, params["model/wpe"])
    for i, block in enumerate(model.blocks):
        h = f"model/h{i}/"
        q_w, k_w, v_w = torch.split(params[h + "attn/c_attn/w"][0], C, dim=-1)
        block.attn.qkv_proj.weight = assign(
            block.attn.qkv_proj.weight, torch.cat([q_w.T, k_w.T, v_w.T])
        )
        q_b, k_b, v_b = torch.split(params[h + "attn/c_attn/b"], C, dim=-1)
        block.attn.qkv_proj.bias = assign(block.attn.qkv_proj.bias, torch.cat([q_b, k_b, v_b]))
        block.attn.out_proj.weight = assign(
            block.attn.out_proj.weight, params[h + "attn/c_proj/w"][0].T
        )
        block.attn.out_proj.bias = assign(block.attn.out_proj.bias, params[h + "attn/c_proj/b"])
        block.mlp.up_proj.weight = assign(block.mlp.up_proj.weight, params[h + "mlp/c_fc/w"][0].T)
        block.mlp.up_proj.bias = assign(block.mlp.up_proj.bias, params[h + "mlp/c_fc/b"])
        block.mlp.down_proj.weight = assign(
            block.mlp.down_proj.weight, params[h + "mlp/c_proj/w"][0].T
        )
        block.mlp.down_proj.bias = assign(block.mlp.down_proj.bias, params[h + "mlp/c_proj/b"])
        block.attn_norm.weight = assign(block.attn_norm.weight, params[h + "ln_1/g"])
        block.attn_norm.bias = assign(block.attn_norm.bias, params[h + "ln_1/b"])
        block.mlp_norm.weight = assign(block.mlp_norm.weight, params[h + "ln_2/g"])
        block.mlp_norm.bias = assign(block.mlp_norm.bias, params[h + "ln_2/b"])
    model.final_norm.weight = assign(model.final_norm.weight, params["model/ln_f/g"])
    model.final_norm.bias = assign(model.final_norm.bias, params["model/ln_f/b"])
