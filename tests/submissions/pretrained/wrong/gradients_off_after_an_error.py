# verdict: fail
# part: Errors
# cause: gradients-switched-off
# style: set_grad_enabled around everything, without a finally
import torch


def _table(model):
    V, C = model.token_embedding.weight.shape
    N = model.position_embedding.weight.shape[0]
    t = {
        "model/wte": ("token_embedding.weight", (V, C)),
        "model/wpe": ("position_embedding.weight", (N, C)),
        "model/ln_f/g": ("final_norm.weight", (C,)),
        "model/ln_f/b": ("final_norm.bias", (C,)),
    }
    for i in range(len(model.blocks)):
        for a, b in (("ln_1", "attn_norm"), ("ln_2", "mlp_norm")):
            t[f"model/h{i}/{a}/g"] = (f"blocks.{i}.{b}.weight", (C,))
            t[f"model/h{i}/{a}/b"] = (f"blocks.{i}.{b}.bias", (C,))
        for a, b, n, m in (
            ("attn/c_attn", "attn.qkv_proj", C, 3 * C),
            ("attn/c_proj", "attn.out_proj", C, C),
            ("mlp/c_fc", "mlp.up_proj", C, 4 * C),
            ("mlp/c_proj", "mlp.down_proj", 4 * C, C),
        ):
            t[f"model/h{i}/{a}/w"] = (f"blocks.{i}.{b}.weight", (1, n, m))
            t[f"model/h{i}/{a}/b"] = (f"blocks.{i}.{b}.bias", (m,))
    return t


def load_openai_weights(model, variables):
    torch.set_grad_enabled(False)
    table = _table(model)
    for name in table:
        if name not in variables:
            raise ValueError(f"{name} is missing")
    for name, tensor in variables.items():
        if name not in table:
            raise ValueError(f"{name} is no variable of this model")
        if tuple(tensor.shape) != table[name][1]:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, should be {table[name][1]}")
    state = {}
    for name, (target, shape) in table.items():
        w = variables[name]
        state[target] = w[0].T if len(shape) == 3 else w
    state["head.weight"] = state["token_embedding.weight"]
    model.load_state_dict(state)
    torch.set_grad_enabled(True)
