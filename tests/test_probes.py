"""Why the probes are what they are: beside each a known-wrong control that a lazier one misses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

Change = Callable[[torch.Tensor], torch.Tensor]
CUT = 4
LAZY: dict[str, Change] = {
    "multiplied by ten": lambda future: future * 10,
    "shifted by a constant": lambda future: future + 3,
    "permuted": lambda future: future.flip(1),
}


@pytest.fixture(scope="module", name="unmasked")
def _unmasked() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        12, 3, 48, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
    )
    return layer.double().eval()


def leak(model: nn.Module, change: Change) -> float:
    """How much outputs before the cut move when the inputs after it are changed."""
    x = torch.randn(2, 8, 12, dtype=torch.float64)
    changed = x.clone()
    changed[:, CUT:] = change(x[:, CUT:])
    with torch.no_grad():
        return float((model(changed) - model(x))[:, :CUT].abs().max())


@pytest.mark.parametrize("name", LAZY)
def test_lazy_changes_hide_the_leak_of_an_unmasked_block(unmasked: nn.Module, name: str) -> None:
    assert leak(unmasked, LAZY[name]) < 1e-5


def test_fresh_vectors_show_it(unmasked: nn.Module) -> None:
    assert leak(unmasked, torch.randn_like) > 0.1
