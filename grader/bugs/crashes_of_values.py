"""Exceptions about arguments, types and values in plain words."""

from __future__ import annotations

from grader.bug import Raised

OF_VALUES: tuple[Raised, ...] = (
    Raised(
        slug="device-not-there",
        raised=r"Torch not compiled with CUDA|NVIDIA driver|Expected all tensors to be on the same "
        r"device|Cannot access accelerator|CUDA error|No CUDA GPUs|MPS backend",
        names="A device is named that is not there, or two devices meet.",
        asks="A module computes on the device of its weights and of its input, wherever that is.",
        look="Usual fix: no device in the classes but x.device or idx.device.",
        code=r"cuda|device|mps|\.to\(",
        hints=(
            "Which device does whoever calls your class use?",
            "Search your code for cuda and for device.",
            "Make new tensors with device=x.device, and buffers with register_buffer; leave .to() "
            "to the caller.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="own-assertion",
        raised=r"AssertionError",
        names="An assert in the code itself fails.",
        asks="The brief allows any sizes for which num_heads divides embed_dim, any B and any T up "
        "to block_size.",
        look="Usual fix: assert only what the brief promises, or take the numbers in it from the "
        "constructor's arguments.",
        code=r"assert",
        hints=(
            "For which sizes is that assert true?",
            "Print both sides of the comparison in the assert.",
            "Compare with the constructor's arguments and not with numbers, or drop the assert.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="own-error",
        raised=r"",
        line=r"^raise\b",
        names="The code itself raises this error.",
        asks="The brief says which inputs are allowed; none of them may be refused.",
        look="Usual fix: look at the condition before the raise, and at the values that meet it.",
        code=r"raise",
        hints=(
            "Which condition leads to that raise?",
            "Print the values in the condition before the raise.",
            "Refuse only what the brief does not allow.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="float-for-int",
        raised=r"'float' object cannot be interpreted as an integer|element of type float|"
        r"must be tuple of ints|got \(.*float.*\)|only integer tensors of a single element|"
        r"slice indices must be integers|must be int, not float|got float|"
        r"can't multiply sequence by non-int of type 'float'",
        names="A number with a point has got where a whole one is due.",
        asks="In Python / gives a float, 6 / 2 is 3.0; sizes and indices have to be int.",
        look="Usual fix: // in place of /: head_dim = embed_dim // num_heads.",
        code=r"(?<!/)/(?!/)|int\(|\*\*",
        hints=(
            "Of which type are the numbers in that line?",
            "Print type(value) for each size in the line of the traceback.",
            "head_dim = embed_dim // num_heads; with a single / it is a float.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="wrong-arguments",
        raised=r"positional argument|unexpected keyword argument|multiple values for argument|"
        r"required keyword-only|takes no arguments|takes no keyword",
        names="A class, function or layer is called with other arguments than it takes.",
        asks="A method's own arguments come after self; what is made with nn.Linear(in, out) in "
        "__init__ is called with x alone in forward.",
        look="Usual fix: compare the call with the def: is self the first argument there, is one "
        "missing, or one too many here?",
        code=r"def |\(",
        hints=(
            "How many arguments does the def have, and how many does the call give?",
            "Put the call in the traceback beside the def of what it calls.",
            "def forward(self, x): with self first; super().__init__() without arguments; and a "
            "call with just what the def names.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="mask-not-boolean",
        raised=r"only supports boolean masks|expected mask dtype to be Bool|"
        r"bitwise_not\w*\" not implemented|operator\.invert|Expected attn_mask dtype|"
        r"expected condition to be a boolean|where expected condition",
        names="A mask of numbers is used where one of True and False is due.",
        asks="masked_fill and ~ want booleans; torch.ones and tril give numbers.",
        look="Usual fix: mask == 0 in masked_fill, or torch.ones(..., dtype=torch.bool).",
        code=r"mask|tril|triu|masked_fill|where|~",
        hints=(
            "Of which dtype is your mask?",
            "Print mask.dtype just before the line of the traceback.",
            "scores.masked_fill(mask[:T, :T] == 0, float('-inf')), or make the mask with "
            "dtype=torch.bool.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="dtype-mismatch",
        raised=r"expected scalar type|must have the same dtype|same dtype|scalar types?:|"
        r"not implemented for '|can't be cast to|must match, got|Long, Int|"
        r"should be the same|Input type|expected m1 and m2",
        names="Two dtypes meet that do not go together.",
        asks="Layers compute in the dtype of their weights, and indices of an embedding are whole "
        "numbers (int64).",
        look="Usual fix: take dtype and device of new tensors from x, leave idx as it is, and use "
        "torch.arange(T), which is whole numbers, for positions.",
        code=r"float|long|int|zeros|ones|empty|arange|dtype|tensor\(",
        hints=(
            "Of which dtype is each tensor in that line?",
            "Print the dtypes just before the line of the traceback.",
            "torch.zeros(..., dtype=x.dtype, device=x.device) for new tensors; no .float() on "
            "indices.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="in-place-breaks-backward",
        raised=r"modified by an inplace operation|is being used in an in-?place operation|"
        r"is a view and is being modified inplace|refer to a single memory location|"
        r"a view of a leaf",
        names="A tensor that the gradient still needs is changed in place.",
        asks="backward() needs the values as they were when they were used.",
        look="Usual fix: a new tensor: x = x + y, not x += y; masked_fill, not masked_fill_.",
        code=r"[+\-*/]=|\] =|_\(|inplace",
        hints=(
            "Which line changes a tensor that was used before?",
            "Search forward for +=, for x[...] = and for methods that end in an underscore.",
            "x = x + y in place of x += y, and masked_fill in place of masked_fill_.",
        ),
        checks=(".gradients",),
    ),
    Raised(
        slug="numpy-in-forward",
        raised=r"Can't call numpy\(\)|can't convert .* to numpy|detach\(\)\.numpy",
        names="A tensor in the forward is made a NumPy array.",
        asks="NumPy knows no gradients; the forward stays within torch to be trained.",
        look="Usual fix: torch's own function in the place of NumPy's, or the math module for "
        "plain numbers.",
        code=r"np\.|numpy",
        hints=(
            "Which values in that line are tensors?",
            "Search your classes for np.",
            "torch.sqrt, torch.exp and so on for tensors; math.sqrt for a number.",
        ),
        checks=(".shape", ".gradients"),
    ),
    Raised(
        slug="tensor-as-condition",
        raised=r"Boolean value of Tensor",
        names="A tensor of several elements is used as a condition.",
        asks="if and while want one True or False.",
        look="Usual fix: torch.where for each element, or .any() and .all() for one answer.",
        code=r"\bif\b|\bwhile\b|\band\b|\bor\b|\bnot\b",
        hints=(
            "How many answers does that comparison give?",
            "Print the condition of the if in the line of the traceback.",
            "torch.where(condition, a, b), or condition.all() in the if.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="division-by-zero",
        raised=r"ZeroDivisionError|division by zero|modulo by zero",
        names="A number is divided by zero.",
        asks="The brief allows any sizes of 1 and more, and a dropout_p of 0.",
        look="Usual fix: look at what can be 0 in this line, such as dropout_p, T - 1 or a whole "
        "division that gives 0.",
        code=r"/|%",
        hints=(
            "What is zero in that line?",
            "Print the divisor in the line of the traceback.",
            "Divide by what the brief keeps above zero, or treat zero by itself.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="endless-recursion",
        raised=r"RecursionError",
        names="A function or class calls itself without end.",
        asks="A block that makes a block in its __init__ makes one without end, and so does a "
        "forward that calls self(x).",
        look="Usual fix: call the part (self.attn(x)), not the module itself.",
        code=r"self\(|self\.forward|__getattr__|super\(",
        hints=(
            "Who calls whom in the traceback, again and again?",
            "Look for self(x) in a forward, and for a class that makes one of its own.",
            "Call the parts inside, self.attn(x), and make of each class only what is below it.",
        ),
        checks=(".shape", ".signature"),
    ),
    Raised(
        slug="wrong-kind-of-value",
        raised=r"must be Tensor, not|unsupported operand type|bad operand type|invalid combination "
        r"of arguments|argument '\w+' .*must be|can only concatenate|not supported between",
        names="A value of another kind than is due is given to an operation.",
        asks="Operations on tensors take tensors, and sizes are whole numbers.",
        look="Usual fix: look at the type of each value in this line, and at where it was made.",
        code=r"",
        hints=(
            "Of which type is each value in that line?",
            "Print type(value) for each value in the line of the traceback.",
            "Go back to where the odd one was made: an attribute that was never made a layer, a "
            "string in place of a number, a list in place of a tensor.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="no-such-key",
        raised=r"KeyError",
        names="A key is looked up that a dict does not have.",
        asks="A dict has the keys that were put in, spelled alike.",
        look="Usual fix: the key as it was put in.",
        code=r"\[",
        hints=(
            "Which keys does the dict have at this place?",
            "Print the dict's keys just before the line of the traceback.",
            "Put it in under the key that is looked up, or look up the one that is there.",
        ),
        checks=(".shape",),
    ),
)
