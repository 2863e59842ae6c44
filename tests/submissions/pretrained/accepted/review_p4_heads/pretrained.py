# verdict: pass
# style: of a review, p4 heads
"""All-or-nothing: a plan first (parameter slices and values), then the writing."""
from dataclasses import dataclass
import torch


@dataclass
class Write:
    target: torch.nn.Parameter
    value: torch.Tensor

    def do(self):
        with torch.no_grad():
            self.target.copy_(self.value.reshape(self.target.shape))


def expected_shapes(model):
    V, C = model.token_embedding_table.weight.shape
    S = len(model.position_embedding_table)
    shapes = {"model/wte": (V, C), "model/wpe": (S, C), "model/ln_f/g": (C,), "model/ln_f/b": (C,)}
    for i in range(len(model.blocks)):
        for n, s in [("ln_1/g", (C,)), ("ln_1/b", (C,)), ("attn/c_attn/w", (1, C, 3 * C)), ("attn/c_attn/b", (3 * C,)),
                     ("attn/c_proj/w", (1, C, C)), ("attn/c_proj/b", (C,)), ("ln_2/g", (C,)), ("ln_2/b", (C,)),
                     ("mlp/c_fc/w", (1, C, 4 * C)), ("mlp/c_fc/b", (4 * C,)), ("mlp/c_proj/w", (1, 4 * C, C)), ("mlp/c_proj/b", (C,))]:
            shapes[f"model/h{i}/{n}"] = s
    return shapes


def load_openai_weights(model, variables):
    shapes = expected_shapes(model)
    problems = [f"{n} is missing" for n in shapes.keys() - set(variables)]
    problems += [f"{n} is unknown" for n in set(variables) - shapes.keys()]
    problems += [f"{n} is {tuple(variables[n].shape)}, not {s}" for n, s in shapes.items() if n in variables and tuple(variables[n].shape) != s]
    if problems:
        raise ValueError("; ".join(problems))
    m, v = model, variables
    plan = [Write(m.token_embedding_table.weight, v["model/wte"]), Write(m.lm_head.weight, v["model/wte"]),
            Write(m.lm_head.bias, torch.zeros(len(v["model/wte"]))), Write(m.position_embedding_table, v["model/wpe"]),
            Write(m.ln_f.weight, v["model/ln_f/g"]), Write(m.ln_f.bias, v["model/ln_f/b"])]
    for i, b in enumerate(m.blocks):
        g = lambda n: v[f"model/h{i}/{n}"]
        H = len(b.sa.heads)
        qkv_w = g("attn/c_attn/w")[0].unflatten(-1, (3, H, -1))
        qkv_b = g("attn/c_attn/b").unflatten(-1, (3, H, -1))
        for h, head in enumerate(b.sa.heads):
            for r, lin in enumerate((head.query, head.key, head.value)):
                plan += [Write(lin.weight, qkv_w[:, r, h].T), Write(lin.bias, qkv_b[r, h])]
        for lin, n in ((b.sa.proj, "attn/c_proj"), (b.ffwd.fc1, "mlp/c_fc"), (b.ffwd.fc2, "mlp/c_proj")):
            plan += [Write(lin.weight, g(n + "/w")[0].T), Write(lin.bias, g(n + "/b"))]
        for ln, n in ((b.ln1, "ln_1"), (b.ln2, "ln_2")):
            plan += [Write(ln.weight, g(n + "/g")), Write(ln.bias, g(n + "/b"))]
    for w in plan:
        w.do()
