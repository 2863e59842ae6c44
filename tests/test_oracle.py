"""The oracle against torch's own Transformer layer, and against Hugging Face's GPT-2."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from grader.gpt2 import oracle


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def torch_weights(layer: nn.TransformerEncoderLayer, heads: int) -> oracle.Block:
    size = layer.norm1.normalized_shape[0]
    split = (3, heads, size // heads, size)
    query, key, value = numbers(layer.self_attn.in_proj_weight).reshape(split)
    biases = numbers(layer.self_attn.in_proj_bias).reshape(split[:3])
    out = numbers(layer.self_attn.out_proj.weight).reshape(size, heads, -1)
    norms = [
        oracle.Norm(numbers(n.weight), numbers(n.bias), n.eps) for n in (layer.norm1, layer.norm2)
    ]
    return oracle.Block(
        norms[0],
        oracle.Attention(query, key, value, out, *biases, numbers(layer.self_attn.out_proj.bias)),
        norms[1],
        oracle.Mlp(
            numbers(layer.linear1.weight),
            numbers(layer.linear1.bias),
            numbers(layer.linear2.weight),
            numbers(layer.linear2.bias),
        ),
    )


@pytest.mark.parametrize(("size", "heads", "time"), [(12, 3, 7), (8, 1, 1), (10, 5, 4)])
def test_block_agrees_with_torch(size: int, heads: int, time: int) -> None:
    torch.manual_seed(size)
    layer = (
        nn.TransformerEncoderLayer(
            size, heads, 4 * size, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
        )
        .double()
        .eval()
    )
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.7)
    x = torch.randn(3, time, size, dtype=torch.float64)
    mask = nn.Transformer.generate_square_subsequent_mask(time, dtype=torch.float64)
    expected = numbers(layer(x, src_mask=mask, is_causal=True))
    found = oracle.block(numbers(x), torch_weights(layer, heads), oracle.gelu_exact)
    assert np.abs(found - expected).max() < 1e-10


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelus_agree_with_torch(approximate: str) -> None:
    z = torch.linspace(-9, 9, 1001, dtype=torch.float64)
    expected = numbers(nn.functional.gelu(z, approximate=approximate))
    gelu = oracle.GELUS["exact" if approximate == "none" else "tanh"]
    assert np.abs(gelu(numbers(z)) - expected).max() < 1e-14


def test_model_agrees_with_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `parity` is not installed")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=23,
        n_positions=9,
        n_embd=12,
        n_layer=3,
        n_head=4,
        attn_pdrop=0.0,
        activation_function="gelu_new",
        attn_implementation="eager",
    )
    model = transformers.GPT2LMHeadModel(config).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    idx = torch.randint(0, 23, (2, 9))
    expected = numbers(model(idx).logits)
    found = oracle.gpt2(idx.numpy(), hugging_face_weights(model, 4), oracle.gelu_tanh)
    assert np.abs(found - expected).max() < 1e-10


def hugging_face_weights(model: nn.Module, heads: int) -> oracle.Gpt2:
    w = {name: numbers(value) for name, value in model.named_parameters()}
    size = w["transformer.wte.weight"].shape[1]

    def norm(name: str) -> oracle.Norm:
        return oracle.Norm(w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    def block(name: str) -> oracle.Block:
        split = (3, heads, size // heads)
        query, key, value = w[f"{name}.attn.c_attn.weight"].T.reshape(*split, size)
        biases = w[f"{name}.attn.c_attn.bias"].reshape(split)
        out = w[f"{name}.attn.c_proj.weight"].T.reshape(size, heads, -1)
        attention = oracle.Attention(query, key, value, out, *biases, w[f"{name}.attn.c_proj.bias"])
        mlp = oracle.Mlp(
            w[f"{name}.mlp.c_fc.weight"].T,
            w[f"{name}.mlp.c_fc.bias"],
            w[f"{name}.mlp.c_proj.weight"].T,
            w[f"{name}.mlp.c_proj.bias"],
        )
        return oracle.Block(norm(f"{name}.ln_1"), attention, norm(f"{name}.ln_2"), mlp)

    blocks = [block(f"transformer.h.{i}") for i in range(model.config.n_layer)]
    return oracle.Gpt2(
        w["transformer.wte.weight"],
        w["transformer.wpe.weight"],
        blocks,
        norm("transformer.ln_f"),
        w["transformer.wte.weight"],
        np.zeros(model.config.vocab_size),
    )
