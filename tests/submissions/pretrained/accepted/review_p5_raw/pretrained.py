# verdict: pass
# style: of a review, p5 raw
import copy, torch

def load_openai_weights(model, variables):
    rest = dict(variables)

    def take(name, shape):
        try:
            v = rest.pop(name)
        except KeyError:
            raise ValueError(f"missing variable {name}") from None
        if tuple(v.shape) != tuple(shape):
            raise ValueError(f"bad shape of {name}: {tuple(v.shape)}")
        return v

    V, C = model.E.shape
    writes = []
    w = take("model/wte", (V, C))
    writes.append((model.E, w))
    writes.append((model.U, w.T))
    writes.append((model.P, take("model/wpe", model.P.shape[1:])[None]))
    norms = [(model.n, "model/ln_f")]
    for i, l in enumerate(model.layers):
        p = f"model/h{i}"
        norms += [(l.n1, p + "/ln_1"), (l.n2, p + "/ln_2")]
        _, H, _, D = l.attn.W.shape
        writes += [
            (l.attn.W, take(p + "/attn/c_attn/w", (1, C, 3 * C)).reshape(C, 3, H, D).permute(1, 2, 0, 3)),
            (l.attn.B, take(p + "/attn/c_attn/b", (3 * C,)).reshape(3, H, 1, D)),
            (l.attn.O, take(p + "/attn/c_proj/w", (1, C, C)).reshape(H, D, C)),
            (l.attn.Ob, take(p + "/attn/c_proj/b", (C,))),
            (l.mlp.a, take(p + "/mlp/c_fc/w", (1, C, 4 * C))[0]), (l.mlp.ab, take(p + "/mlp/c_fc/b", (4 * C,))),
            (l.mlp.b, take(p + "/mlp/c_proj/w", (1, 4 * C, C))[0]), (l.mlp.bb, take(p + "/mlp/c_proj/b", (C,))),
        ]
    for n, p in norms:
        writes.append((n.gb, torch.stack([take(p + "/g", (C,)), take(p + "/b", (C,))])))
    if rest:
        raise ValueError("surplus: " + ", ".join(sorted(rest)))
    for p, value in writes:
        assert p.shape == value.shape
        p.data[...] = value
