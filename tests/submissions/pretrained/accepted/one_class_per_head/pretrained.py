# verdict: pass
# style: a module per head, each gets its own slice; the head has a bias, which becomes zero
import torch


class CheckpointError(ValueError):
    pass


@torch.no_grad()
def load_openai_weights(model, variables):
    left = dict(variables)  # a shallow copy, to tick off what was used
    writes = []

    def take(name, *shape):
        if name not in left:
            raise CheckpointError(f"missing variable {name}")
        tensor = left.pop(name)
        if list(tensor.shape) != list(shape):
            raise CheckpointError(f"{name}: shape {list(tensor.shape)} instead of {list(shape)}")
        return tensor

    def later(parameter, tensor):
        writes.append((parameter, tensor))

    wte = model.token_embedding_table.weight
    V, C = wte.shape
    T = model.position_embedding_table.num_embeddings
    tokens = take("model/wte", V, C)
    later(wte, tokens)
    later(model.lm_head.weight, tokens)
    later(model.lm_head.bias, torch.zeros(V))
    later(model.position_embedding_table.weight, take("model/wpe", T, C))
    later(model.ln_f.weight, take("model/ln_f/g", C))
    later(model.ln_f.bias, take("model/ln_f/b", C))
    for i in range(len(model.blocks)):
        block, pre = model.blocks[i], f"model/h{i}"
        for ln, name in ((block.ln1, "ln_1"), (block.ln2, "ln_2")):
            later(ln.weight, take(f"{pre}/{name}/g", C))
            later(ln.bias, take(f"{pre}/{name}/b", C))
        w = take(f"{pre}/attn/c_attn/w", 1, C, 3 * C)[0]
        b = take(f"{pre}/attn/c_attn/b", 3 * C)
        out = take(f"{pre}/attn/c_proj/w", 1, C, C)[0]
        size = C // len(block.sa.heads)
        for h, head in enumerate(block.sa.heads):
            for r, linear in enumerate((head.query, head.key, head.value)):
                start = r * C + h * size
                later(linear.weight, w[:, start : start + size].T)
                later(linear.bias, b[start : start + size])
            later(head.back.weight, out[h * size : (h + 1) * size].T)
        later(block.sa.bias, take(f"{pre}/attn/c_proj/b", C))
        later(block.ffwd.net[0].weight, take(f"{pre}/mlp/c_fc/w", 1, C, 4 * C)[0].T)
        later(block.ffwd.net[0].bias, take(f"{pre}/mlp/c_fc/b", 4 * C))
        later(block.ffwd.net[2].weight, take(f"{pre}/mlp/c_proj/w", 1, 4 * C, C)[0].T)
        later(block.ffwd.net[2].bias, take(f"{pre}/mlp/c_proj/b", C))
    if left:
        raise CheckpointError("unknown variables: %s" % sorted(left))
    for parameter, tensor in writes:
        parameter.copy_(tensor)
