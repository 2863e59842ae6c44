# verdict: fail
# part: Errors
# cause: wrong-shape-accepted
# style: takes names out of a copy of the dict; compares squeezed shapes
import re


class Reader:
    def __init__(self, variables):
        self.left = dict(variables)
        self.plan = []

    def take(self, name, shape, *targets):
        if name not in self.left:
            raise ValueError("no variable " + name)
        t = self.left.pop(name)
        if list(t.squeeze(0).shape) != [n for n in shape if n != 1] and list(t.shape) != list(
            shape
        ):
            raise ValueError(f"variable {name}: shape {list(t.shape)}, not {list(shape)}")
        if len(shape) == 3:
            t = (t.squeeze(0) if t.ndim == 3 else t).transpose(0, 1)
        n = t.shape[0] // len(targets)
        self.plan += [(p, t.narrow(0, j * n, n)) for j, p in enumerate(targets)]

    def finish(self):
        for name in self.left:
            raise ValueError("surplus variable " + str(name))
        for p, t in self.plan:
            p.data.copy_(t)


def load_openai_weights(model, variables):
    r = Reader(variables)
    V, C = model.head.weight.shape
    N = model.position_embedding.num_embeddings
    r.take("model/wte", (V, C), model.token_embedding.weight)
    r.take("model/wpe", (N, C), model.position_embedding.weight)
    for i, b in enumerate(model.blocks):
        p = "model/h%d/" % i
        a = b.attn
        r.take(p + "ln_1/g", [C], b.attn_norm.weight)
        r.take(p + "ln_1/b", [C], b.attn_norm.bias)
        r.take(p + "attn/c_attn/w", [1, C, 3 * C], a.qkv_proj.weight)
        r.take(p + "attn/c_attn/b", [3 * C], a.qkv_proj.bias)
        r.take(p + "attn/c_proj/w", [1, C, C], a.out_proj.weight)
        r.take(p + "attn/c_proj/b", [C], a.out_proj.bias)
        r.take(p + "ln_2/g", [C], b.mlp_norm.weight)
        r.take(p + "ln_2/b", [C], b.mlp_norm.bias)
        r.take(p + "mlp/c_fc/w", [1, C, 4 * C], b.mlp.up_proj.weight)
        r.take(p + "mlp/c_fc/b", [4 * C], b.mlp.up_proj.bias)
        r.take(p + "mlp/c_proj/w", [1, 4 * C, C], b.mlp.down_proj.weight)
        r.take(p + "mlp/c_proj/b", [C], b.mlp.down_proj.bias)
    r.take("model/ln_f/g", [C], model.final_norm.weight)
    r.take("model/ln_f/b", [C], model.final_norm.bias)
    r.finish()
