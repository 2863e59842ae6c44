"""Bugs of attention in its projections, its heads and its length."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="heads-not-split",
        names=(
            "This is attention with one pattern over all of embed_dim: num_heads enters the scale, "
            "but the channels are not split into heads."
        ),
        asks=(
            "The brief asks for multi-head attention: num_heads attentions side by side, each over "
            "head_dim = embed_dim / num_heads channels."
        ),
        look="Look at the shapes of q, k and v on the way into q @ kᵀ.",
        code=(
            r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split|"
            r"num_heads|n_head"
        ),
        hints=(
            "How many different attention patterns can one position have in your code?",
            "Print scores.shape: is there an axis of size num_heads in it?",
            "Split the last axis of q, k and v into (num_heads, head_dim) and move the heads "
            "beside the batch before q @ kᵀ.",
        ),
        checks=("attention.heads", "attention.equals"),
    ),
    Bug(
        slug="heads-mixed-view",
        names=(
            "The channels of this attention are cut into heads by a view that mixes positions and "
            "heads."
        ),
        asks=(
            "GPT-2 gives each head its head_dim channels of every position: the last axis is "
            "split, and only then are the axes of time and heads exchanged."
        ),
        look="Look at the view or reshape that makes the heads, and at the transpose next to it.",
        code=r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split",
        hints=(
            "After your view, from which position does the first row of head 0 come?",
            "Take x = torch.arange(B * T * C) as (B, T, C) through your split and print one head.",
            "View as (B, T, num_heads, head_dim) first, then transpose axes 1 and 2; a view "
            "straight to (B, num_heads, T, head_dim) cuts through time.",
        ),
        checks=("attention.order", "attention.causal", "attention.equals"),
    ),
    Bug(
        slug="merge-wrong",
        names="The heads of this attention are joined again with their axes in the wrong order.",
        asks=(
            "GPT-2 lays the heads' outputs for one position side by side: (B, H, T, D) goes back "
            "to (B, T, H, D), and then to (B, T, C)."
        ),
        look="Look between weights @ v and the output projection, at transpose, permute and view.",
        code=r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split",
        hints=(
            "Which numbers should stand in row t once the heads are joined?",
            "Split a tensor into heads and merge it at once, with no attention between: do you "
            "get it back?",
            "Undo the split in reverse: transpose heads and time back, then reshape the last two "
            "axes into embed_dim.",
        ),
        checks=("attention.order", "attention.batch", "attention.causal", "attention.equals"),
    ),
    Bug(
        slug="ignores-num-heads",
        names="This is attention with one head, whatever num_heads says.",
        asks=(
            "The brief asks for multi-head attention: num_heads heads of embed_dim / num_heads "
            "channels, each with attention weights and a scale of its own width."
        ),
        look="Look for the places in forward where num_heads is used.",
        code=(
            r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split|"
            r"num_heads|n_head|head_dim"
        ),
        hints=(
            "What changes in your output when num_heads does?",
            "Print scores.shape for num_heads = 1 and for num_heads = 4.",
            "Split q, k and v into num_heads heads, attend in each with scale 1/√head_dim, and "
            "join the heads before the output projection.",
        ),
        checks=("attention.heads", "attention.scale", "attention.equals"),
    ),
    Bug(
        slug="v-not-projected",
        names="The values of this attention are its input itself, not a projection of it.",
        asks="GPT-2 makes queries, keys and values by three learned projections of x.",
        look="Look at what is multiplied with the attention weights.",
        code=r"Linear|Conv1[dD]|Parameter|einsum|@|matmul|chunk|split|bmm|\bv\b|value",
        hints=(
            "What does a position hand over to those who attend to it?",
            "Count the C × C matrices among your parameters: there should be four.",
            "Give the values a linear layer of their own, just like queries and keys.",
        ),
        checks=("attention.projections", "attention.equals"),
    ),
    Bug(
        slug="no-out-proj",
        names="This is attention without an output projection: the joined heads are the output.",
        asks="GPT-2 sends the joined heads through one more linear layer of embed_dim × embed_dim.",
        look="Look at the last line of forward: is the layer there, and is it called?",
        code=r"return|proj|out|c_proj|wo",
        hints=(
            "How can what one head found reach the channels of another?",
            "Count the C × C matrices that the forward uses: there should be four.",
            "After the heads are joined to (B, T, C), apply a last linear layer from embed_dim to "
            "embed_dim.",
        ),
        checks=("attention.projections", "attention.equals"),
    ),
    Bug(
        slug="qk-shared",
        names="The queries and the keys of this attention come from the same weights.",
        asks=(
            "GPT-2 learns a projection for each of them, so that what a position looks for can "
            "differ from what it offers."
        ),
        look="Look at the lines that make q and k: are two different layers, or two slices, used?",
        code=r"Linear|Conv1[dD]|Parameter|einsum|@|matmul|chunk|split|bmm|query|key|\bq\b|\bk\b",
        hints=(
            "Can position 5 find position 2 interesting, and position 2 not find position 5 so?",
            "Print (q - k).abs().max().",
            "Make q and k with two different weight matrices, or with two different thirds of the "
            "fused one.",
        ),
        checks=("attention.projections", "attention.equals"),
    ),
    Bug(
        slug="kv-shared",
        names="The keys and the values of this attention come from the same weights.",
        asks=(
            "GPT-2 learns a projection for each of them, so that what a position is found by can "
            "differ from what it hands over."
        ),
        look="Look at the lines that make k and v: are two different layers, or two slices, used?",
        code=r"Linear|Conv1[dD]|Parameter|einsum|@|matmul|chunk|split|bmm|value|key|\bv\b|\bk\b",
        hints=(
            "Which of your weights take part in the output?",
            "Print (k - v).abs().max(), and see which parameters have no grad after backward().",
            "Make k and v with two different weight matrices, or with two different thirds of the "
            "fused one.",
        ),
        checks=("attention.projections", "attention.equals"),
    ),
    Bug(
        slug="projections-shared-by-heads",
        names="All heads of this attention use the same projections.",
        asks="GPT-2 gives each head queries, keys and values of its own.",
        look="Look at the sizes of the layers, and at whether one small layer serves every head.",
        code=r"Linear|Conv1[dD]|Parameter|einsum|expand|repeat|stack|cat|for .* in range",
        hints=(
            "In what do two of your heads differ?",
            "Count the elements of your parameters: there should be four C × C matrices.",
            "Project to all embed_dim channels, nn.Linear(embed_dim, embed_dim), and split these "
            "among the heads; or make a layer for each head.",
        ),
        checks=("attention.projections", "attention.heads", "attention.equals"),
    ),
    Bug(
        slug="block-size-mask-fixed",
        names="The forward is tied to one fixed length and does not follow the T of its input.",
        asks="The brief asks for any T ≤ block_size, and block_size may be any number.",
        look=(
            "Look at how the mask is made and cut to size, and for padding to block_size that "
            "changes the result or stays in it."
        ),
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange|block_size|pad",
        hints=(
            "What does your code do with a sequence of a single token?",
            "Print the shapes of scores and mask for T = 1 and for T = block_size.",
            "Make the mask with block_size rows and columns and use only its first T of each, or "
            "make it for T in forward.",
        ),
        checks=(".shape", ".block_size", ".equals"),
    ),
)
