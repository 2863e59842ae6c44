# verdict: pass
# style: a head of its own, which becomes the token embedding as the weights are loaded
import re


class Reader:
    def __init__(self, variables):
        self.left = dict(variables)
        self.plan = []

    def take(self, name, shape, *targets):
        if name not in self.left:
            raise ValueError("no variable " + name)
        t = self.left.pop(name)
        if list(t.shape) != list(shape):
            raise ValueError(f"variable {name}: shape {list(t.shape)}, not {list(shape)}")
        if len(shape) == 3:
            t = t.squeeze(0).transpose(0, 1)
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
    N = model.pos.num_embeddings
    r.take("model/wte", (V, C), model.tok.weight)
    r.take("model/wpe", (N, C), model.pos.weight)
    for i, b in enumerate(model.blocks):
        p = "model/h%d/" % i
        a = b.attn
        r.take(p + "ln_1/g", [C], b.n1.weight)
        r.take(p + "ln_1/b", [C], b.n1.bias)
        r.take(p + "attn/c_attn/w", [1, C, 3 * C], a.wq.weight, a.wk.weight, a.wv.weight)
        r.take(p + "attn/c_attn/b", [3 * C], a.wq.bias, a.wk.bias, a.wv.bias)
        r.take(p + "attn/c_proj/w", [1, C, C], a.out.weight)
        r.take(p + "attn/c_proj/b", [C], a.out.bias)
        r.take(p + "ln_2/g", [C], b.n2.weight)
        r.take(p + "ln_2/b", [C], b.n2.bias)
        r.take(p + "mlp/c_fc/w", [1, C, 4 * C], b.mlp.up.weight)
        r.take(p + "mlp/c_fc/b", [4 * C], b.mlp.up.bias)
        r.take(p + "mlp/c_proj/w", [1, 4 * C, C], b.mlp.down.weight)
        r.take(p + "mlp/c_proj/b", [C], b.mlp.down.bias)
    r.take("model/ln_f/g", [C], model.norm.weight)
    r.take("model/ln_f/b", [C], model.norm.bias)
    r.plan.append((model.head.weight, variables["model/wte"]))
    r.finish()
    model.head.weight = model.tok.weight
