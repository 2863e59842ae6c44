# verdict: pass
# style: in_proj_weight and text_projection as in CLIP, LayerNorm in float32; one dict of closures
import torch


def load_openai_weights(model, variables):
    places = {}
    places["model/wte"] = model.token_embedding.weight
    places["model/wpe"] = model.positional_embedding
    places["model/ln_f/g"], places["model/ln_f/b"] = model.ln_final.weight, model.ln_final.bias
    for i, r in enumerate(model.resblocks):
        h = f"model/h{i}"
        places[f"{h}/ln_1/g"], places[f"{h}/ln_1/b"] = r.ln_1.weight, r.ln_1.bias
        places[f"{h}/ln_2/g"], places[f"{h}/ln_2/b"] = r.ln_2.weight, r.ln_2.bias
        places[f"{h}/attn/c_attn/w"] = r.attn.in_proj_weight
        places[f"{h}/attn/c_attn/b"] = r.attn.in_proj_bias
        places[f"{h}/attn/c_proj/w"] = r.attn.out_proj.weight
        places[f"{h}/attn/c_proj/b"] = r.attn.out_proj.bias
        places[f"{h}/mlp/c_fc/w"] = r.mlp.layers.c_fc.weight
        places[f"{h}/mlp/c_fc/b"] = r.mlp.layers.c_fc.bias
        places[f"{h}/mlp/c_proj/w"] = r.mlp.layers.c_proj.weight
        places[f"{h}/mlp/c_proj/b"] = r.mlp.layers.c_proj.bias

    bad = set(places).symmetric_difference(variables)
    if bad:
        raise ValueError("missing or surplus: " + " ".join(bad))
    turned = {}
    for name, place in places.items():
        value = variables[name]
        if name[-2:] == "/w":
            ok = value.dim() == 3 and value.size(0) == 1 and value[0].t().shape == place.shape
            turned[name] = value[0].t() if ok else None
        else:
            ok = value.shape == place.shape
            turned[name] = value
        if not ok:
            raise ValueError(f"wrong shape {tuple(value.shape)} of {name}")

    with torch.no_grad():
        for name, place in places.items():
            place.copy_(turned[name])
        model.text_projection.copy_(variables["model/wte"].t())
