"""Bugs of the MLP: its activation, the place of it, and the hidden width."""

from __future__ import annotations

from dataclasses import replace

from grader.bug import Bug

_WIDTH = Bug(
    slug="",
    names="",
    asks="The brief asks for 4 * embed_dim hidden units.",
    look="Look at the sizes of the two linear layers, and at any expansion factor.",
    code=r"Linear|Conv1[dD]|Parameter|\b4\b|\d{3,}|hidden|expan|inner",
    hints=(
        "By which factor does GPT-2 widen in the MLP?",
        "Print the shapes of your parameters for embed_dim = 16.",
        "The first layer goes from embed_dim to 4 * embed_dim, the second one back.",
    ),
    checks=("mlp.width", "mlp.equals"),
)

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="relu",
        names="This is an MLP whose activation is ReLU, or one of its relatives.",
        asks=(
            "The brief asks for GELU, x · Φ(x) with Φ the normal distribution function: it is "
            "smooth and dips a little below zero for negative x."
        ),
        look="Look at the function between the two linear layers.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU",
        hints=(
            "Which activation does GPT-2 use?",
            "Feed -1 to your activation alone: GELU gives -0.159.",
            "Use nn.GELU, or F.gelu, between the two layers; the tanh approximation is as good.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="silu",
        names="This is an MLP whose activation is SiLU (swish), x · sigmoid(x).",
        asks="The brief asks for GELU, x · Φ(x), where Φ is the normal distribution function.",
        look="Look at the function between the two linear layers, and at its formula.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU",
        hints=(
            "By which function of x does GELU multiply x?",
            "Feed 1 to your activation alone: GELU gives 0.841, and SiLU 0.731.",
            "Use nn.GELU, or F.gelu; by hand it is x times the normal distribution function, with "
            "erf or in its tanh form.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="quick-gelu",
        names="This is an MLP with quick GELU, x · sigmoid(1.702 x), the one that CLIP uses.",
        asks=(
            "The brief asks for GELU, exact or in the tanh form that GPT-2 was trained with; the "
            "sigmoid form is a coarser approximation."
        ),
        look="Look at the formula of the activation.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU",
        hints=(
            "Where does the number 1.702 come from?",
            "Compare your activation with F.gelu at x = -2: by how much do they differ?",
            "Use nn.GELU, or F.gelu, exact or with approximate='tanh'.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="tanh-activation",
        names="This is an MLP whose activation is the hyperbolic tangent.",
        asks=(
            "The brief asks for GELU; the tanh of its approximate form is only one part of the "
            "formula."
        ),
        look="Look at the function between the two linear layers.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU",
        hints=(
            "What does GELU do with a large positive number?",
            "Feed 3 to your activation alone: GELU gives 2.996.",
            "Use nn.GELU(approximate='tanh') or plain nn.GELU(); neither of them is torch.tanh.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="no-activation",
        names="This is an MLP without an activation: two linear layers in a row amount to one.",
        asks="The brief asks for GELU between the two.",
        look="Look at forward: is the activation called, and is its result the one that is used?",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU|return",
        hints=(
            "What do two linear maps in a row amount to?",
            "With the biases at zero, compare mlp(2 * x) with 2 * mlp(x).",
            "Pass the output of the first layer through GELU and give that result to the second; "
            "F.gelu returns a new tensor.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="activation-after-second",
        names="This is an MLP with an activation after its second linear layer.",
        asks=(
            "The brief asks for GELU in the hidden layer, of 4 * embed_dim units, and GPT-2 leaves "
            "the second layer's output as it is."
        ),
        look="Look at the order of the three steps, or at the brackets if they stand in one line.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU|return",
        hints=(
            "Can your MLP subtract something large from the residual stream?",
            "Print y.min() for a few random inputs: does it ever go below -0.17?",
            "First layer, GELU, second layer, then nothing but dropout.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    Bug(
        slug="gelu-on-input",
        names="This is an MLP that applies an activation to its input, before the first layer.",
        asks="The brief asks for GELU between the two linear layers, and GPT-2 has it only there.",
        look="Look at what the first linear layer receives.",
        code=r"gelu|relu|silu|sigmoid|tanh|erf|act|GELU|ReLU|SiLU|Tanh|ELU",
        hints=(
            "On how many numbers per position does the activation act in your MLP?",
            "Print the shape of what goes into the activation: it should end in 4 * embed_dim.",
            "First layer, then GELU, then second layer; x itself goes into the first layer.",
        ),
        checks=("mlp.gelu", "mlp.equals"),
    ),
    replace(
        _WIDTH,
        slug="width-2x",
        names=(
            "This is an MLP whose hidden layer is too narrow, for instance twice embed_dim in "
            "place of four times."
        ),
    ),
    replace(
        _WIDTH,
        slug="width-8x",
        names=(
            "This is an MLP whose hidden layer is too wide, for instance eight times embed_dim in "
            "place of four times."
        ),
    ),
    Bug(
        slug="width-const",
        names="The hidden width of the MLP is a fixed number that does not follow embed_dim.",
        asks="The brief asks for 4 * embed_dim hidden units, whatever embed_dim is.",
        look="Look for a literal such as 256 or 3072 where the MLP or its layers are made.",
        code=r"Linear|Conv1[dD]|Parameter|\b4\b|\d{3,}|hidden|expan|inner",
        hints=(
            "What happens to your hidden layer when embed_dim doubles?",
            "Print the shapes of the MLP's parameters for embed_dim = 16 and for embed_dim = 32.",
            "Compute the width from the argument, as 4 * embed_dim, wherever it is needed.",
        ),
        checks=("mlp.width", "block.parts", "mlp.equals"),
    ),
)
