"""Exceptions in plain words: what each one means, why it arises, and its usual fix.

One entry for each kind that is common; the first whose pattern is found in an exception names it.
"""

from __future__ import annotations

import re

from grader.bug import Raised
from grader.bugs.crashes_of_shape import OF_SHAPE
from grader.bugs.crashes_of_values import OF_VALUES

_LIKE = (
    r"'(?:F|nn|np|math|torch|optim|copy|dataclass|Optional|List|Tuple|Tensor|functional|einops)'"
)

OF_NAMES: tuple[Raised, ...] = (
    Raised(
        slug="no-super-init",
        raised=(
            r"cannot assign (?:module|parameters?) before Module\.__init__\(\) call|"
            r"has no attribute '_(?:modules|parameters|buffers|backward_hooks|forward_\w+)'|"
            r"super\(type, obj\)"
        ),
        names="super().__init__() has not run before the first layer or buffer is put on self.",
        asks="nn.Module keeps layers, parameters and buffers in tables that its __init__ makes.",
        look="Usual fix: super().__init__() as the first line of this class's __init__.",
        code=r"def __init__|super\(",
        hints=(
            "What has to be there before self.anything = nn.Linear(...) can work?",
            "Look at the first line of __init__ in each of your classes.",
            "Write super().__init__() as the first line of __init__, without arguments.",
        ),
        checks=(".signature", ".shape"),
    ),
    Raised(
        slug="import-missing",
        raised=rf"NameError: name {_LIKE} is not defined",
        names="A module is used under a name that the file does not import.",
        asks="A name such as F, nn or math exists only where an import makes it.",
        look="Usual fix: import it at the top: import math, import torch.nn as nn, "
        "import torch.nn.functional as F.",
        code=r"",
        hints=(
            "Where does the name in the error come from?",
            "Compare the imports at the top of the file with the names that you use.",
            "Add the import: import torch.nn.functional as F for F, import math for math.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="name-not-defined",
        raised=r"NameError: name|UnboundLocalError",
        names="A name is used that nothing has given a value at this place.",
        asks="Names such as B, T and C exist only in the function that makes them, and self has to "
        "stand before what is kept on the object.",
        look="Usual fix: the argument's own name (block_size in __init__, where there is no T "
        "yet), self. in front of it, or the right spelling.",
        code=r"",
        hints=(
            "In which function was that name given its value?",
            "Look at the line of the traceback and find where each name in it is assigned.",
            "In __init__ use the arguments' names, such as block_size; in forward take B, T, C = "
            "x.shape first, and write self. before what __init__ has kept.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="not-in-module",
        raised=r"AttributeError: (?:partially initialized )?module '[\w.]+' has no attribute",
        names="A function or class is taken from a module that has none of this name.",
        asks="Names are told apart by capital letters: classes of torch.nn begin with one "
        "(nn.Linear), functions do not (F.softmax).",
        look="Usual fix: the right spelling, or the module that has it.",
        code=r"",
        hints=(
            "Is that name spelled as in PyTorch's documentation?",
            "Try it in a Python prompt: dir(torch.nn) lists what there is.",
            "Layers are classes of nn, with a capital letter: nn.Linear, nn.LayerNorm, nn.GELU; "
            "functions are in F and torch: F.gelu, torch.tril.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="tuple-for-tensor",
        raised=r"'tuple' object|'Tensor' and 'tuple'|'tuple' and 'Tensor'|not tuple\b|"
        r"can only concatenate tuple",
        names="A tuple has got where a tensor is expected.",
        asks="What gives several values, such as split, chunk or an nn.MultiheadAttention, gives a "
        "tuple of them; and a comma at the end of a line makes one.",
        look="Usual fix: take the tuple apart (q, k, v = ...), or return the tensor alone.",
        code=r"return|,\s*$|split|chunk|unbind|shape|size",
        hints=(
            "Which of the values in that line is a tuple, and where does it come from?",
            "Print type(value) for each value in the line of the traceback.",
            "Take it apart where it is made, q, k, v = t.split(C, dim=-1), or return only the "
            "output tensor from the forward that is called there.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="list-for-module",
        raised=r"Module \[(?:ModuleList|ModuleDict)\] is missing the required|"
        r"'list' object is not callable|'(?:list|dict)' object has no attribute|"
        r"'(?:ModuleList|ModuleDict|ParameterList)' object is not callable|"
        r"must be Tensor, not list|not list\b",
        names="A list is used where one layer, or one tensor, is expected.",
        asks="A list of layers (an nn.ModuleList too) has no forward: its layers are called one by "
        "one.",
        look="Usual fix: for block in self.blocks: x = block(x); torch.stack or torch.cat for a "
        "list of tensors.",
        code=r"ModuleList|ModuleDict|\[|blocks|layers|heads",
        hints=(
            "What should happen to x in each element of that list?",
            "Print type(value) for what is called in the line of the traceback.",
            "Loop over it, for block in self.blocks: x = block(x), or make it an nn.Sequential.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="forward-missing",
        raised=r"is missing the required \"forward\" function",
        names="A class that is called has no method of the name forward.",
        asks="model(x) calls model.forward(x), which has to be a method of the class itself.",
        look="Usual fix: spell it forward, and indent it as far as __init__.",
        code=r"def \w+\(|^class",
        hints=(
            "What does PyTorch call when you call a module?",
            "Print 'forward' in vars(YourClass).",
            "def forward(self, x): in the class, on the same level as def __init__.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="none-for-tensor",
        raised=r"'NoneType' object|and 'NoneType'|'NoneType' and|not NoneType\b",
        names="There is None where a value is expected.",
        asks="A function without a return gives None; so do methods that only change something, "
        "such as list.append.",
        look="Usual fix: a return at the end of the forward that is called in this line.",
        code=r"return|def forward|None|=\s*self\.",
        hints=(
            "Which of the values in that line is None, and which function gave it?",
            "Print each value of the line of the traceback just before it.",
            "End each forward with return and its result, on the level of its def's body.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="layer-not-called",
        raised=r"must be Tensor, not (?!NoneType|Tensor\b)[A-Z]\w*",
        names="A layer has got where its output is due: nn.GELU(x) makes a layer, with x as an "
        "option of it, and computes nothing.",
        asks="A layer is made once, in __init__, and called with a tensor in forward.",
        look="Usual fix: self.act = nn.GELU() in __init__ and self.act(x) in forward; or "
        "F.gelu(x).",
        code=r"nn\.\w+\(",
        hints=(
            "Which of the values in that line is a layer, and not a tensor?",
            "Print type(value) for each value in the line of the traceback.",
            "Make it first and then call it: nn.GELU()(x), or the function F.gelu(x).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="called-or-indexed",
        raised=r"object is not (?:callable|subscriptable|iterable)|"
        r"'(?:method|function|builtin_function_or_method|type)' object|"
        r"must be Tensor, not (?:method|builtin|type|function|Linear|Parameter|Embedding)|"
        r"has no len\(\)|does not support item assignment",
        names="Something is called, indexed or looped over that does not allow it.",
        asks="Layers are called with round brackets, tensors are indexed with square ones, and "
        "methods only do something when they are called.",
        look="Usual fix: the other kind of brackets: self.fc(x), x[0], x.size(0), x.shape[0].",
        code=r"",
        hints=(
            "Is what stands before the brackets a layer, a tensor or a number?",
            "Print type(value) for what stands before the brackets in the line of the traceback.",
            "Call layers, self.fc(x); index tensors and shapes, x.shape[0]; call methods, "
            "x.size(0).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="tensor-has-no-such-method",
        raised=r"AttributeError: '(?:Tensor|Parameter|torch\.\w+|int|float|str|Size)' object has "
        r"no attribute",
        names="A tensor or number is asked for a method that it does not have.",
        asks="Some operations are functions of torch or F, not methods of a tensor, and what was "
        "taken for a tensor may be a number.",
        look="Usual fix: the right spelling, or the function: F.gelu(x), torch.cat([x, y]).",
        code=r"",
        hints=(
            "Is that value what you take it for, and is the method spelled right?",
            "Print type(value) and dir(value) for what stands before the point.",
            "Use the function, F.softmax(x, dim=-1), or a method that is there, such as "
            "x.masked_fill.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="missing-attribute",
        raised=r"AttributeError: .*has no attribute",
        names="An attribute is used that this object does not have.",
        asks="self.name exists from the line on that assigns it, under exactly that name.",
        look="Usual fix: the same spelling in __init__ and forward, and the assignment before its "
        "first use.",
        code=r"self\.\w+\s*=",
        hints=(
            "Is the attribute spelled alike in __init__ and in forward?",
            "Print vars(self).keys() and self._modules.keys() at the end of __init__.",
            "Assign it in __init__ under the name that forward uses, before anything needs it.",
        ),
        checks=(".shape",),
    ),
)

BUGS: tuple[Raised, ...] = (*OF_NAMES, *OF_SHAPE, *OF_VALUES)
CRASH_SLUGS = frozenset((*(entry.slug for entry in BUGS), "crashes", "endless-loop"))


def of_exception(message: str, traceback: str) -> str:
    """The slug for an exception; "" if none is for its kind.

    message: its type and what it says; traceback: the submission's own frames.
    """
    lines = traceback.rstrip().splitlines()
    last = lines[-1].strip() if lines else ""
    for entry in BUGS:
        if re.search(entry.raised, message) and re.search(entry.line, last):
            return entry.slug
    return ""
