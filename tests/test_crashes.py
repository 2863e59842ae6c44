"""Exceptions get the words that are about them, and the call and the line stand with them."""

from __future__ import annotations

import numpy as np
import pytest

from grader.bugs import CAUSES, CRASH_SLUGS, of_exception
from grader.exercises.gpt2 import arguments
from grader.sandbox.client import calls, loops

RAISED = {
    "AttributeError: cannot assign module before Module.__init__() call": "no-super-init",
    "AttributeError: 'MLP' object has no attribute '_buffers'": "no-super-init",
    "NameError: name 'F' is not defined": "import-missing",
    "NameError: name 'T' is not defined": "name-not-defined",
    "UnboundLocalError: cannot access local variable 'y' where it is not associated with a value": (
        "name-not-defined"
    ),
    "AttributeError: module 'torch.nn' has no attribute 'linear'": "not-in-module",
    "AttributeError: 'MLP' object has no attribute 'c_porj'": "missing-attribute",
    "AttributeError: 'Tensor' object has no attribute 'gelu'": "tensor-has-no-such-method",
    "AttributeError: 'tuple' object has no attribute 'view'": "tuple-for-tensor",
    "TypeError: unsupported operand type(s) for +: 'Tensor' and 'tuple'": "tuple-for-tensor",
    "TypeError: linear(): argument 'input' (position 1) must be Tensor, not tuple": (
        "tuple-for-tensor"
    ),
    "TypeError: linear(): argument 'input' (position 1) must be Tensor, not NoneType": (
        "none-for-tensor"
    ),
    "AttributeError: 'NoneType' object has no attribute 'shape'": "none-for-tensor",
    "TypeError: unsupported operand type(s) for +: 'Tensor' and 'NoneType'": "none-for-tensor",
    "TypeError: linear(): argument 'input' (position 1) must be Tensor, not GELU": (
        "layer-not-called"
    ),
    "TypeError: linear(): argument 'input' (position 1) must be Tensor, not int": (
        "wrong-kind-of-value"
    ),
    "AttributeError: 'list' object has no attribute 'to'": "list-for-module",
    'NotImplementedError: Module [ModuleList] is missing the required "forward" function': (
        "list-for-module"
    ),
    'NotImplementedError: Module [MLP] is missing the required "forward" function': (
        "forward-missing"
    ),
    "TypeError: 'Linear' object is not subscriptable": "called-or-indexed",
    "TypeError: 'Tensor' object is not callable": "called-or-indexed",
    "RuntimeError: view size is not compatible with input tensor's size and stride (at least one "
    "dimension spans across two contiguous subspaces). Use .reshape(...) instead.": (
        "view-not-contiguous"
    ),
    "RuntimeError: shape '[2, 3, 4, 1]' is invalid for input of size 36": "view-wrong-size",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (6x20 and 5x5)": "matmul-shapes",
    "RuntimeError: Expected size for first two dimensions of batch2 tensor to be: [2, 7] but got: "
    "[2, 1].": "matmul-shapes",
    "RuntimeError: The size of tensor a (3) must match the size of tensor b (7) at non-singleton "
    "dimension 3": "sizes-differ",
    "RuntimeError: Given normalized_shape=[6], expected input with shape [*, 6], but got input of "
    "size[2, 3, 12]": "sizes-differ",
    "IndexError: Dimension out of range (expected to be in range of [-3, 2], but got 3)": (
        "no-such-dimension"
    ),
    "ValueError: not enough values to unpack (expected 3, got 2)": "unpacking",
    "IndexError: index out of range in self": "index-out-of-range",
    "TypeError: 'float' object cannot be interpreted as an integer": "float-for-int",
    "TypeError: view(): argument 'size' (position 1) must be tuple of ints, but found element of "
    "type float at pos 3": "float-for-int",
    "TypeError: MLP.forward() takes 1 positional argument but 2 were given": "wrong-arguments",
    "TypeError: MLP.__init__() missing 1 required positional argument: 'embed_dim'": (
        "wrong-arguments"
    ),
    "RuntimeError: masked_fill_ only supports boolean masks, but got mask with dtype float": (
        "mask-not-boolean"
    ),
    "TypeError: ~ (operator.invert) is only implemented on integer and Boolean-type tensors": (
        "mask-not-boolean"
    ),
    "RuntimeError: expected scalar type Double but found Float": "dtype-mismatch",
    "RuntimeError: mat1 and mat2 must have the same dtype, but got Double and Float": (
        "dtype-mismatch"
    ),
    "AssertionError: Torch not compiled with CUDA enabled": "device-not-there",
    "AssertionError": "own-assertion",
    "RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.": (
        "in-place-breaks-backward"
    ),
    "RuntimeError: Boolean value of Tensor with more than one value is ambiguous": (
        "tensor-as-condition"
    ),
    "RecursionError: maximum recursion depth exceeded": "endless-recursion",
    "ZeroDivisionError: integer division or modulo by zero": "division-by-zero",
    "KeyError: 'wte'": "no-such-key",
}


@pytest.mark.parametrize(("said", "slug"), RAISED.items())
def test_exception_in_plain_words(said: str, slug: str) -> None:
    assert of_exception(f"it raised {said}", "") == slug
    assert slug in CAUSES
    assert slug in CRASH_SLUGS


def test_what_the_code_raises_itself_is_told_by_its_line() -> None:
    frames = '  File "gpt2.py", line 3, in forward\n    raise ValueError("too long")\n'
    assert of_exception("it raised ValueError: too long", frames) == "own-error"
    assert of_exception("it raised ValueError: too long", "") == ""


def test_call_in_words() -> None:
    made = calls.built("MLP", (), {"embed_dim": 6, "dropout_p": 0.5})
    assert made == "MLP(embed_dim=6, dropout_p=0.5)"
    theta, x = np.zeros(9), np.zeros((1, 2, 6))
    header = {"theta": True, "train": True, "path": "mlp"}
    assert calls.asked("M()", "call", [theta, x], header) == "M().train().mlp(x of (1, 2, 6))"
    idx = np.zeros((1, 3), dtype=np.int64)
    words = calls.called("generate", (), {"idx": idx, "temperature": 0})
    assert words == "generate(idx of (1, 3), temperature=0)"


def test_loop_that_does_not_end() -> None:
    text = b"def forward(x):\n    while x:\n        for i in x:\n            y = i\n"
    told = b'Current thread 0x1 (most recent call first):\n  File "<d>/a.py", line 4 in forward\n'
    frames = loops.frames(told + b'  File "/usr/torch/nn.py", line 9 in _call\n')
    assert loops.traceback(frames, "<d>", {"a.py": text}) == (
        '  File "<d>/a.py", line 2, in forward\n    while x:\n'
    )
    assert loops.frames(b"\xff\x00 nonsense") == []


def test_exchanged_arguments() -> None:
    text = b"class TransformerBlock:\n    def __init__(self):\n        MLP(dropout_p, embed_dim)\n"
    said = arguments.swapped({"gpt2.py": text}, "TransformerBlock")
    assert "embed_dim and dropout_p in each other's place (gpt2.py, line 3" in said
    assert not arguments.swapped({"gpt2.py": text}, "GPT2")
    signature = "(embed_dim, block_size: int, num_heads=1, dropout_p=0.0)"
    assert arguments.out_of_order(signature, "TransformerBlock") == ("num_heads", "block_size")
    assert arguments.out_of_order("(embed_dim, num_heads, block_size)", "TransformerBlock") is None
