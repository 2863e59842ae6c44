"""torch's own Transformers: whoever is to write one cannot reach them, by whatever way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bank import ROOT

_TAKEN = """
import os, sys, torch, types, warnings, importlib.util
import torch.nn.functional as F
from torch import nn
from grader.sandbox.worker import ready_made
told = []
def hook(event, arguments):
    if event == ready_made.EVENT:
        told.append(arguments[0])
ready_made.prepare()
sys.addaudithook(hook)
ready_made.{way}()
x, w, b = torch.zeros(2, 1, 4), torch.zeros(12, 4), torch.zeros(12)
given = (x, x, x, 4, 2, w, b, None, None, False, 0.0, torch.zeros(4, 4), torch.zeros(4))
plain = (x, x, x, 4, 2, w, b, torch.zeros(4, 4), torch.zeros(4))
native = torch.ops.aten._native_multi_head_attention
try:
    {action}
    print("done")
except Exception as error:
    print(told or type(error).__name__)
"""
_IN_A_THREAD = (
    "import concurrent.futures as c; "
    "c.ThreadPoolExecutor(1).submit(F.multi_head_attention_forward, *given).result()"
)
_RENUMBERED = (
    "f = F.multi_head_attention_forward; code = f.__code__.replace(co_filename='<x>'); "
    "types.FunctionType(code, vars(F), 'f', f.__defaults__)(*given)"
)
_GRAPH = (
    "graph(%x : Tensor, %n : int, %w : Tensor, %b : Tensor, %o : Tensor, %p : Tensor):",
    "  %m : NoneType = prim::Constant()",
    "  %t : bool = prim::Constant[value=1]()",
    "  %a : Tensor, %c : Tensor = aten::_native_multi_head_attention"
    "(%x, %x, %x, %n, %n, %w, %b, %o, %p, %m, %t, %t, %m)",
    "  return (%a)",
)
_SCRIPTED = (
    f"g = torch._C.parse_ir({chr(10).join(_GRAPH)!r}); "
    "torch._C._create_function_from_graph('f', g)(x, 2, w, b, torch.zeros(4, 4), torch.zeros(4))"
)
_FROM_BYTES = (
    "import io; made = io.BytesIO(); torch.jit.save(torch.jit.script(nn.GELU()), made); "
    "made.seek(0); torch.jit.load(made)"
)
WAYS = {
    "openly": "F.multi_head_attention_forward(*given)",
    "as a layer": "nn.MultiheadAttention(4, 2)(x, x, x)",
    "as a block": "nn.TransformerEncoderLayer(4, 2).eval()(x)",
    "in a thread": _IN_A_THREAD,
    "its code renumbered": _RENUMBERED,
    "the operator": "torch._native_multi_head_attention(*plain)",
    "an overload": "native.default(*plain)",
    "a script of the operator": _SCRIPTED,
    "a script": "torch.jit.script(F.multi_head_attention_forward)(*given)",
    "from bytes": _FROM_BYTES,
}


def _run(way: str, action: str) -> str:
    code = _TAKEN.format(way=way, action=action)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip() or done.stderr[-500:]


@pytest.mark.parametrize("action", WAYS.values(), ids=list(WAYS))
def test_nothing_reaches_what_was_taken_away(action: str) -> None:
    assert _run("take_away", action).startswith(("['", "NotSupportedError"))


@pytest.mark.parametrize("way", ["openly", "as a block", "in a thread", "an overload"])
def test_where_it_is_allowed_it_is_as_ever(way: str) -> None:
    assert _run("allow", WAYS[way]) == "done"


@pytest.mark.parametrize(
    "action",
    [
        "F.scaled_dot_product_attention(x, x, x)",
        "torch.jit.script(nn.GELU())(x)",
        "nn.LayerNorm(4)(nn.Linear(4, 4)(x))",
    ],
)
def test_the_rest_of_torch_is_as_ever(action: str) -> None:
    assert _run("take_away", action) == "done"
