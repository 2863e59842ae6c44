# verdict: pass
# style: separate Linears for q, k, v; position Parameter; an untied head that gets wte, too
import torch


def _plan(model):
    """(name, shape wanted, function that writes the value)"""
    V, C = model.tokens.weight.shape

    def put(parameter):
        return lambda value: parameter.data.copy_(value)

    def put_matrix(linear):
        return lambda value: linear.weight.data.copy_(value.squeeze(0).t())

    def put_qkv(attention, weight):
        def write(value):
            for linear, part in zip(
                (attention.query, attention.key, attention.value), value.chunk(3, dim=-1)
            ):
                if weight:
                    linear.weight.data.copy_(part.squeeze(0).t())
                else:
                    linear.bias.data.copy_(part)

        return write

    def put_tokens(value):
        model.tokens.weight.data.copy_(value)
        model.head.weight.data.copy_(value)

    yield "model/wte", (V, C), put_tokens
    yield "model/wpe", tuple(model.positions.shape), put(model.positions)
    yield "model/ln_f/g", (C,), put(model.norm.weight)
    yield "model/ln_f/b", (C,), put(model.norm.bias)
    for n, layer in enumerate(model.layers):
        p = "model/h%d/" % n
        yield p + "ln_1/g", (C,), put(layer.attention_norm.weight)
        yield p + "ln_1/b", (C,), put(layer.attention_norm.bias)
        yield p + "ln_2/g", (C,), put(layer.mlp_norm.weight)
        yield p + "ln_2/b", (C,), put(layer.mlp_norm.bias)
        yield p + "attn/c_attn/w", (1, C, 3 * C), put_qkv(layer.attention, True)
        yield p + "attn/c_attn/b", (3 * C,), put_qkv(layer.attention, False)
        yield p + "attn/c_proj/w", (1, C, C), put_matrix(layer.attention.output)
        yield p + "attn/c_proj/b", (C,), put(layer.attention.output.bias)
        yield p + "mlp/c_fc/w", (1, C, 4 * C), put_matrix(layer.mlp.expand)
        yield p + "mlp/c_fc/b", (4 * C,), put(layer.mlp.expand.bias)
        yield p + "mlp/c_proj/w", (1, 4 * C, C), put_matrix(layer.mlp.contract)
        yield p + "mlp/c_proj/b", (C,), put(layer.mlp.contract.bias)


def load_openai_weights(model, variables):
    plan = list(_plan(model))
    names = [name for name, _, _ in plan]
    wrong = [name for name in variables if name not in names]
    wrong += [name for name in names if name not in variables]
    wrong += [n for n, shape, _ in plan if n in variables and variables[n].shape != shape]
    if wrong:
        raise ValueError("these do not fit the model: " + ", ".join(sorted(set(wrong))))
    for name, _, write in plan:
        write(variables[name])
