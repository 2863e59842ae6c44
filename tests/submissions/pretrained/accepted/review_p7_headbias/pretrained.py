# verdict: pass
# style: of a review, p7 headbias
import torch


def load_openai_weights(model, variables):
    used, todo = set(), []

    def get(name, *shape):
        if name not in variables:
            raise ValueError("there is no " + name)
        v = variables[name]
        if list(v.shape) != list(shape):
            raise ValueError(f"{name} should be {list(shape)} and is {list(v.shape)}")
        used.add(name)
        return v.detach()

    V, C = model.tok.weight.shape
    S = model.pos.weight.shape[0]

    def put(dst, src):
        todo.append((dst, src))

    def linear(lin, name, n_in, n_out):
        put(lin.weight, get(name + "/w", 1, n_in, n_out).squeeze(0).T)
        put(lin.bias, get(name + "/b", n_out))

    def norm(ln, name):
        put(ln.weight, get(name + "/g", C))
        put(ln.bias, get(name + "/b", C))

    wte = get("model/wte", V, C)
    put(model.tok.weight, wte)
    put(model.head.bias, torch.zeros(V))
    put(model.pos.weight, get("model/wpe", S, C))
    for i, b in enumerate(model.blocks):
        h = "model/h%d/" % i
        norm(b.ln1, h + "ln_1")
        w = get(h + "attn/c_attn/w", 1, C, 3 * C)[0]
        bias = get(h + "attn/c_attn/b", 3 * C)
        for n, lin in enumerate((b.attn.q, b.attn.k, b.attn.v)):
            put(lin.weight, w[:, n * C:(n + 1) * C].T)
            put(lin.bias, bias[n * C:(n + 1) * C])
        linear(b.attn.o, h + "attn/c_proj", C, C)
        norm(b.ln2, h + "ln_2")
        linear(b.mlp.net[0], h + "mlp/c_fc", C, 4 * C)
        linear(b.mlp.net[2], h + "mlp/c_proj", 4 * C, C)
    norm(model.ln, "model/ln_f")
    for name in variables:
        if name not in used:
            raise ValueError("what is " + name + "?")
    for dst, src in todo:
        with torch.no_grad():
            dst.copy_(src)
