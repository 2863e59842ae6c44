"""What OpenAI calls things."""

LAYER = {
    "ln_1.weight": "ln_1/g",
    "ln_1.bias": "ln_1/b",
    "ln_2.weight": "ln_2/g",
    "ln_2.bias": "ln_2/b",
    "attn.c_attn.weight": "attn/c_attn/w",
    "attn.c_attn.bias": "attn/c_attn/b",
    "attn.c_proj.weight": "attn/c_proj/w",
    "attn.c_proj.bias": "attn/c_proj/b",
    "mlp.c_fc.weight": "mlp/c_fc/w",
    "mlp.c_fc.bias": "mlp/c_fc/b",
    "mlp.c_proj.weight": "mlp/c_proj/w",
    "mlp.c_proj.bias": "mlp/c_proj/b",
}
MODEL = {
    "wte.weight": "wte",
    "wpe.weight": "wpe",
    "ln_f.weight": "ln_f/g",
    "ln_f.bias": "ln_f/b",
}


def openai_name(own: str) -> str:
    """h.3.ln_1.weight -> model/h3/ln_1/g"""
    if own in MODEL:
        return f"model/{MODEL[own]}"
    _, number, rest = own.split(".", 2)
    return f"model/h{number}/{LAYER[rest]}"
