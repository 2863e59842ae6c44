# verdict: fail
# part: Weights
# cause: base-not-gpt2
# style: a right loader for a GPT2 that does not scale its scores
import torch


def _targets(model):
    yield "model/wte", [model.embedding.weight, model.head.weight.squeeze(-1)], False
    yield "model/wpe", [model.position], False
    yield "model/ln_f/g", [model.ln.weight], False
    yield "model/ln_f/b", [model.ln.bias], False
    for number in range(len(model.blocks)):
        block = model.blocks[number]
        for name, conv in {
            "attn/c_attn": block.attn.qkv,
            "attn/c_proj": block.attn.out,
            "mlp/c_fc": block.mlp.conv1,
            "mlp/c_proj": block.mlp.conv2,
        }.items():
            yield f"model/h{number}/{name}/w", [conv.weight.squeeze(-1)], True
            yield f"model/h{number}/{name}/b", [conv.bias], False
        for name, norm in {"ln_1": block.ln_attn, "ln_2": block.ln_conv}.items():
            yield f"model/h{number}/{name}/g", [norm.weight], False
            yield f"model/h{number}/{name}/b", [norm.bias], False


@torch.no_grad()
def load_openai_weights(model, variables):
    todo = set(variables)
    pairs = []
    for name, targets, matrix in _targets(model):
        if name not in todo:
            raise ValueError(f"checkpoint lacks {name!r}")
        todo.discard(name)
        value = variables[name]
        shape = targets[0].shape
        expected = (1, shape[1], shape[0]) if matrix else tuple(shape)
        if tuple(value.shape) != expected:
            raise ValueError(f"{name!r}: expected {expected}, got {tuple(value.shape)}")
        pairs += [(target, value[0].t() if matrix else value) for target in targets]
    if todo:
        raise ValueError(f"checkpoint has more than the model takes: {sorted(todo)}")
    for target, value in pairs:
        target[...] = value
