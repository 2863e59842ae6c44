"""Exceptions about shapes in plain words."""

from __future__ import annotations

from grader.bug import Raised

OF_SHAPE: tuple[Raised, ...] = (
    Raised(
        slug="view-not-contiguous",
        raised=r"view size is not compatible with input tensor's size and stride|"
        r"Use \.reshape\(\.\.\.\) instead",
        names="view is called on a tensor whose memory is not in the order of its axes, as after "
        "transpose, permute, split or chunk.",
        asks="view never moves memory, so it can neither join axes that were exchanged nor cut "
        "across them.",
        look="Usual fix: where heads are made, view(B, T, num_heads, head_dim) and then "
        "transpose(1, 2); where they are joined, transpose(1, 2) and then reshape, or "
        ".contiguous().view.",
        code=r"view|transpose|permute",
        hints=(
            "What has happened to the tensor's axes before the view?",
            "Print x.is_contiguous() and x.stride() just before the line of the traceback.",
            "To make heads: view(B, T, num_heads, head_dim).transpose(1, 2), in this order. To "
            "join them: transpose(1, 2).reshape(B, T, C).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="view-wrong-size",
        raised=r"shape '\[.*\]' is invalid for input of size|don't multiply up to the size|"
        r"unflatten: Provided sizes|cannot reshape tensor of",
        names="A view or reshape asks for another number of elements than the tensor has.",
        asks="The sizes of all axes have to multiply to the number of elements; -1 stands for what "
        "is left.",
        look="Usual fix: B, T, num_heads, head_dim with head_dim = embed_dim // num_heads; is one "
        "of them a number of your own, or is the tensor still three times as wide (q, k and v)?",
        code=r"view|reshape|unflatten",
        hints=(
            "How many elements does the tensor have, and how many does your shape ask for?",
            "Print x.shape just before the line of the traceback, and the numbers in the view.",
            "Take all sizes from x.shape and the constructor's arguments: view(B, T, num_heads, "
            "embed_dim // num_heads).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="matmul-shapes",
        raised=r"shapes cannot be multiplied|size of tensor to match|Expected size for first two "
        r"dimensions of batch2|size mismatch, got|inconsistent tensor size|Expected batch2|"
        r"einsum\(\)|mat1 dim|contraction|matrices expected",
        names="Two tensors are multiplied whose inner sizes do not agree.",
        asks="In a @ b the last axis of a is as long as the last but one of b, and a Linear reads "
        "as many channels as its in_features say.",
        look="Usual fix: q @ k.transpose(-2, -1) for the scores; in_features of a layer equal to "
        "what it is given (4 * embed_dim for the MLP's second).",
        code=r"@|matmul|bmm|einsum|Linear",
        hints=(
            "Which two axes meet in that product, and how long is each?",
            "Print the shapes of both factors just before the line of the traceback.",
            "Scores are q @ k.transpose(-2, -1); the MLP goes from embed_dim to 4 * embed_dim and "
            "back; a layer's first argument is the width that it reads.",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="sizes-differ",
        raised=r"must match the (?:size of tensor|existing size)|Sizes of tensors must match|"
        r"Given normalized_shape|shape mismatch|stack expects each tensor to be equal size|"
        r"is not broadcastable|incompatible shapes|must be broadcastable|The shape of the mask|"
        r"The expanded size|doesn't match the broadcast shape",
        names="Two tensors are put together whose sizes along an axis differ.",
        asks="Tensors that are added, compared or masked with one another have the same size along "
        "each axis, or 1; a mask of block_size rows fits only a sequence of that length.",
        look="Usual fix: cut the mask and the positions to the sequence, mask[:T, :T] and "
        "torch.arange(T); give LayerNorm embed_dim.",
        code=r"mask|tril|triu|\+|cat|stack|LayerNorm|expand",
        hints=(
            "Which two tensors meet in that line, and how long is each of their axes?",
            "Print both shapes just before the line of the traceback, for T below block_size.",
            "Cut what is made for block_size to the sequence at hand: mask[:T, :T], "
            "self.positions(torch.arange(T, device=idx.device)).",
        ),
        checks=(".shape", ".block_size"),
    ),
    Raised(
        slug="no-such-dimension",
        raised=r"Dimension out of range|number of dimensions in the tensor input|"
        r"Dimension specified as|repeated dim|only batches of spatial targets|"
        r"same number of dimensions|must have at least \d+ dimension",
        names="An axis is named that the tensor does not have.",
        asks="A tensor of n axes has the axes 0 to n - 1; -1 is the last one.",
        look="Usual fix: count the axes at this place: (B, T, C) has three, and four once the "
        "heads are split; -2 and -1 always name the last two.",
        code=r"transpose|permute|dim|softmax|cat|stack|split|chunk",
        hints=(
            "How many axes does the tensor have at this place?",
            "Print x.shape just before the line of the traceback.",
            "Count from the end: transpose(-2, -1), softmax(dim=-1).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="unpacking",
        raised=r"values to unpack",
        names="Something is taken apart into another number of names than it has values.",
        asks="x.shape of (B, T, C) has three values, idx.shape of (B, T) two, and split cuts into "
        "pieces of the size that it is given, chunk into as many as it is told.",
        look="Usual fix: as many names on the left as there are values; t.split(embed_dim, dim=-1) "
        "or t.chunk(3, dim=-1) for q, k and v.",
        code=r"shape|size\(|split|chunk|unbind",
        hints=(
            "How many values stand on the right of that =?",
            "Print the right side of the line of the traceback.",
            "B, T, C = x.shape in the parts, B, T = idx.shape in GPT2, and q, k, v = "
            "t.chunk(3, dim=-1).",
        ),
        checks=(".shape",),
    ),
    Raised(
        slug="index-out-of-range",
        raised=r"index out of range in self|IndexError|is out of bounds for dimension",
        names="An index is larger than the table or the axis that it is looked up in.",
        asks="A table of tokens has vocab_size rows and one of positions block_size; the last axis "
        "of a sequence ends at T - 1.",
        look="Usual fix: nn.Embedding(vocab_size, embed_dim) for tokens, nn.Embedding(block_size, "
        "embed_dim) for positions, and no + 1 in the indices.",
        code=r"Embedding|arange|\[",
        hints=(
            "How many rows has that table, and what is the largest index?",
            "Print the table's shape and the indices' max() just before the line of the traceback.",
            "Tokens: nn.Embedding(vocab_size, embed_dim); positions: nn.Embedding(block_size, "
            "embed_dim) with torch.arange(T).",
        ),
        checks=(".shape", ".block_size", ".positions"),
    ),
)
