# verdict: fail
# part: Weights
# cause: heads-interleaved
# style: forgets that its own rows are per head
import torch

LAYER = [
    ("input_layernorm.weight", "ln_1/g"),
    ("input_layernorm.bias", "ln_1/b"),
    ("attention.query_key_value.weight", "attn/c_attn/w"),
    ("attention.query_key_value.bias", "attn/c_attn/b"),
    ("attention.dense.weight", "attn/c_proj/w"),
    ("attention.dense.bias", "attn/c_proj/b"),
    ("post_attention_layernorm.weight", "ln_2/g"),
    ("post_attention_layernorm.bias", "ln_2/b"),
    ("mlp.dense_h_to_4h.weight", "mlp/c_fc/w"),
    ("mlp.dense_h_to_4h.bias", "mlp/c_fc/b"),
    ("mlp.dense_4h_to_h.weight", "mlp/c_proj/w"),
    ("mlp.dense_4h_to_h.bias", "mlp/c_proj/b"),
]


def load_openai_weights(model, variables):
    heads = model.layers[0].attention.num_attention_heads
    names = {
        "embed_in.weight": "model/wte",
        "embed_positions.weight": "model/wpe",
        "final_layer_norm.weight": "model/ln_f/g",
        "final_layer_norm.bias": "model/ln_f/b",
    }
    for i, _ in enumerate(model.layers):
        names |= {f"layers.{i}.{own}": f"model/h{i}/{theirs}" for own, theirs in LAYER}

    surplus = set(variables) - set(names.values())
    if surplus:
        raise ValueError(f"surplus: {', '.join(surplus)}")
    state = model.state_dict()
    new = {}
    for own, theirs in names.items():
        try:
            value = variables[theirs]
        except KeyError:
            raise ValueError(f"missing: {theirs}") from None
        want = state[own].shape
        if theirs.endswith("/w"):
            if value.shape != (1, want[1], want[0]):
                raise ValueError(f"shape of {theirs}: {value.shape}")
            value = value[0].T
        elif value.shape != want:
            raise ValueError(f"shape of {theirs}: {value.shape}")
        new[own] = value
    new["embed_out.weight"] = variables["model/wte"]
    model.load_state_dict(new, strict=False)  # the mask is a buffer that no checkpoint has
