"""Bugs of `get_batch`."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "targets-unshifted",
        "Targets are the inputs themselves, not the tokens that follow.",
        "The brief asks for the token that comes next at each position.",
        "Look at the two slices of the data: do both begin at the same place?",
        r"data\[|stack|narrow|roll",
        (
            "What would a model learn that is to guess the token it sees?",
            "Print inputs[0] and targets[0] of torch.arange(100) below one another.",
            "Targets are data[i + 1 : i + T + 1].",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "targets-shifted-by-two",
        "Targets are two tokens ahead of the inputs.",
        "The brief asks for the token that follows, one ahead.",
        "Look at the beginning of the targets' slice, and for a shift that is made a second time.",
        r"data\[|\+ 1|\+ 2|roll",
        (
            "How far ahead is each target of its input?",
            "Print targets - inputs for torch.arange(100).",
            "Shift once: data[i + 1 : i + T + 1].",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "targets-before-inputs",
        "Targets are the tokens before the inputs, not those after.",
        "The brief asks for the token that follows.",
        "Look at which of the two slices begins one later, and at the sign of a roll.",
        r"data\[|roll|return",
        (
            "In which direction does the model guess?",
            "Print targets - inputs for torch.arange(100): is it 1?",
            "Inputs begin at i and targets at i + 1, and inputs come first in the pair.",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "targets-rolled",
        "The last target of each row is the row's first token.",
        "The brief asks for the token that follows in the data, for the last position too.",
        "Look at the roll: it works on rows where it should on the data.",
        r"roll|cat|data\[",
        (
            "What is the target of the last position?",
            "Print inputs[0] and targets[0] of torch.arange(100), and look at their ends.",
            "Take T + 1 tokens for each row: inputs are all but the last one, targets all but "
            "the first.",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "inputs-not-a-piece",
        "A row of inputs is no piece of the data.",
        "The brief asks for tokens that follow one another in the data.",
        "Look at how offsets become rows of indices, and at reshapes of them.",
        r"data\[|arange|view|reshape|stack|gather",
        (
            "What does one row of inputs look like in the data?",
            "Print inputs for torch.arange(100): does each row count up by one?",
            "Row b is data[offsets[b] + 0 … T - 1]: offsets[:, None] + torch.arange(T).",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "offsets-beyond-the-end",
        "Rows begin where their targets no longer fit into the data.",
        "The brief asks for places where inputs and targets both fit.",
        "Look at the upper bound of the offsets, and for a roll that brings the beginning to "
        "the end.",
        r"rand|len\(|roll|size",
        (
            "Which is the last place where T inputs and T targets fit?",
            "With data of 5 tokens and block_size = 4, which offsets do you draw?",
            "Offsets are 0 to len(data) - block_size - 1: torch.randint(len(data) - "
            "block_size, …), whose bound is left out.",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "offsets-miss-an-end",
        "The first or the last place in the data never comes.",
        "The brief asks that every place where inputs and targets fit be equally likely.",
        "Look at both bounds of the offsets: randint leaves out the upper one.",
        r"rand|len\(|size",
        (
            "Is the last token of the data ever a target, and the first one ever an input?",
            "Count the first tokens of many batches of torch.arange(16), with block_size = 3: "
            "0 to 12 have to come.",
            "torch.randint(len(data) - block_size, (batch_size,)).",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "offsets-same-in-batch",
        "All rows of a batch begin at the same place.",
        "The brief asks for a place of its own for each row.",
        "Look at the size of what is drawn: one number, or one for each row.",
        r"rand|expand|repeat",
        (
            "How many random numbers does a batch of 8 take?",
            "Print inputs for torch.arange(100) and batch_size = 4.",
            "Draw offsets of shape (batch_size,).",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "offsets-not-uniform",
        "Places in the data are not equally likely.",
        "The brief asks that every place where inputs and targets fit be equally likely.",
        "Look at how offsets are drawn: a product, a modulo, a rounding, a step, a fixed bound.",
        r"rand|round|%|int\(|\* ?block_size",
        (
            "How likely is each offset?",
            "Count offsets over many batches of a short text.",
            "One torch.randint over all offsets, without arithmetic on what it gives.",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "offsets-without-replacement",
        "A place that was drawn for one row is not drawn for another.",
        "The brief asks that each row be drawn anew, as if it were the only one.",
        "Look for a permutation or a sample without replacement.",
        r"perm|sample|shuffle|multinomial",
        (
            "May two rows of a batch be the same piece?",
            "Ask for more rows than there are places.",
            "torch.randint draws each number by itself; randperm does not.",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "offsets-depend-on-one-another",
        "The places of the rows of a batch hang on one another.",
        "The brief asks that each row be drawn anew.",
        "Look at whether one draw serves several rows: neighbours, sorted, a fixed distance apart.",
        r"rand|arange|sort|cumsum",
        (
            "Can you tell the second row from the first?",
            "Print the offsets of a batch of 8, several times.",
            "torch.randint with a size of (batch_size,), used as it comes.",
        ),
        ("training.batch_offsets",),
    ),
    Bug(
        "batch-not-a-pair",
        "What comes back is not a pair of tensors.",
        "The brief asks for inputs and targets, two tensors.",
        "Look at the return.",
        r"return",
        (
            "What does the caller unpack?",
            "Print type(batch), len(batch) and the type of each part.",
            "return inputs, targets.",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "batch-shape",
        "Inputs and targets are not of shape (B, T).",
        "The brief asks for batch_size rows of block_size tokens, for both.",
        "Look at stack, cat and transposes, and at the lengths of the slices.",
        r"stack|cat|view|reshape|\.T\b|data\[",
        (
            "Which axis counts the rows, and how long is each?",
            "Print inputs.shape and targets.shape for batch_size=2 and block_size=5.",
            "torch.stack the rows along axis 0; all T positions have a target.",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "batch-dtype",
        "Inputs or targets are not int64.",
        "The brief asks for int64, as the data is.",
        "Look for casts, and for tensors made anew without a dtype.",
        r"dtype|float|int\(|zeros|empty",
        (
            "What does an embedding want as indices?",
            "Print inputs.dtype and targets.dtype.",
            "Index the data itself: what comes out has its dtype.",
        ),
        ("training.batch_shift",),
    ),
    Bug(
        "batch-generator-ignored",
        "The generator has no effect on batches.",
        "The brief asks that all chance come from it when it is given.",
        "Look at what is given to the call that draws.",
        r"rand|generator|seed",
        (
            "Where do your offsets get their random numbers?",
            "Call it twice with torch.Generator().manual_seed(1): do the batches agree?",
            "torch.randint(…, generator=generator).",
        ),
        ("training.batch_generator",),
    ),
    Bug(
        "short-data-accepted",
        "Data that is too short is accepted, or fails with something unclear.",
        "The brief asks for a ValueError if there are not block_size + 1 tokens.",
        "Look at the beginning of get_batch.",
        r"raise|assert|len\(",
        (
            "How many tokens does a row take, with its targets?",
            "Try data of block_size tokens, of one less, and of none.",
            "if len(data) < block_size + 1: raise ValueError(…).",
        ),
        ("training.batch_short",),
    ),
)
