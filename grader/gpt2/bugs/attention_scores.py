"""Bugs of attention between the scores and their softmax: scale, mask, axis."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="scale-embed-dim",
        names="This is attention whose scores are divided by √embed_dim.",
        asks=(
            "The brief asks for division by √head_dim, where head_dim = embed_dim / num_heads: "
            "the variance of a dot product grows with the number of terms in it."
        ),
        look=(
            "Look at the line that computes the scores, before the softmax: which width goes into "
            "the root?"
        ),
        code=r"sqrt|\*\* ?-?\(?-?0?\.5|scale|head_dim|@|matmul|einsum",
        hints=(
            "How many products are summed up in one score?",
            "Print q.shape just before q @ kᵀ, and the number whose root divides the scores.",
            "Divide the scores by the root of head_dim = embed_dim / num_heads: q's last axis "
            "once the heads are split.",
        ),
        checks=("attention.scale", "attention.equals"),
    ),
    Bug(
        slug="no-scale",
        names="This is attention whose scores are not scaled.",
        asks=(
            "GPT-2 divides them by √head_dim: a sum of head_dim products has a variance of "
            "head_dim, and scores that are too large saturate the softmax."
        ),
        look="Look at the line that computes q @ kᵀ, and at what happens up to the softmax.",
        code=r"sqrt|\*\* ?-?\(?-?0?\.5|scale|head_dim|@|matmul|einsum",
        hints=(
            "How large do the scores become when heads grow wider?",
            "Print scores.std() just before the softmax, for heads of 4 and of 64 channels.",
            "Divide q @ kᵀ by the square root of head_dim before mask and softmax.",
        ),
        checks=("attention.scale", "attention.equals"),
    ),
    Bug(
        slug="scale-multiplied",
        names=(
            "The scores of this attention are multiplied by another factor than 1/√head_dim: "
            "its inverse, its square, or one of embed_dim."
        ),
        asks="GPT-2 divides the scores by √head_dim, and does so once.",
        look=(
            "Look for every factor that q, k or the scores meet on the way to the softmax; "
            "F.scaled_dot_product_attention has one of its own."
        ),
        code=r"sqrt|\*\* ?-?\(?-?0?\.5|scale|head_dim|@|matmul|einsum",
        hints=(
            "Should wider heads make the scores larger or smaller, and by how much?",
            "Print q @ kᵀ and the scores as they enter the softmax: what is their ratio?",
            "The ratio must be 1/√head_dim: divide rather than multiply, take the root, and scale "
            "in one place only.",
        ),
        checks=("attention.scale", "attention.equals"),
    ),
    Bug(
        slug="scale-num-heads",
        names="The scores of this attention are scaled by num_heads, or by its root.",
        asks=(
            "The brief asks for division by √head_dim, where head_dim = embed_dim / num_heads: "
            "how many heads there are has no part in it."
        ),
        look=(
            "Look at the line that computes the scores: does the number of heads stand where the "
            "width of one is meant, in the root or in the shape that it is taken from?"
        ),
        code=r"sqrt|\*\* ?-?\(?-?0?\.5|scale|head_dim|num_heads|size\(|shape|@|matmul|einsum",
        hints=(
            "How many products are summed up in one score?",
            "Print the number whose root divides the scores, for num_heads = 2 and embed_dim = 6.",
            "Divide the scores by the root of head_dim = embed_dim // num_heads, q's last axis.",
        ),
        checks=("attention.scale", "attention.equals"),
    ),
    Bug(
        slug="mask-none",
        names="This is attention in which no causal mask takes effect, in one head or in all.",
        asks=(
            "The brief asks that each position attend only to itself and to the positions before "
            "it."
        ),
        look=(
            "Look between q @ kᵀ and the softmax: is a mask applied to every head, and is the "
            "masked result the one that is used?"
        ),
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange|softmax|scaled_dot",
        hints=(
            "What stops a position from reading the token it has to predict?",
            "Print the attention weights of every head as T × T matrices: is the upper triangle "
            "zero in all of them?",
            "Fill the scores above the diagonal with minus infinity before the softmax, and keep "
            "the result: masked_fill without an underscore returns a new tensor.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="mask-not-in-training",
        names="The causal mask of this attention does not hold in train mode.",
        asks=(
            "The brief asks that no position attend to a later one, in train mode as in eval mode "
            "and with dropout or without."
        ),
        look=(
            "Look for what depends on self.training or on dropout_p beside the mask: does each of "
            "the ways through forward use it, and does dropout come after it?"
        ),
        code=r"training|dropout|mask|tril|triu|causal",
        hints=(
            "Which of your forward's ways does a model in training take?",
            "Call the module in train mode, twice with the same seed, and change the last vector: "
            "which outputs move?",
            "Mask the scores before anything that depends on self.training or dropout_p.",
        ),
        checks=("attention.causal",),
    ),
    Bug(
        slug="mask-strict",
        names="The mask of this attention hides each position from itself.",
        asks=(
            "The brief asks that each position attend to the previous ones and to itself; "
            "otherwise nothing is left for the first one, and a softmax of minus infinities is NaN."
        ),
        look="Look at the diagonal of the mask: the second argument of tril or triu, or a < or <=.",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "What may the very first token attend to?",
            "Print the mask for T = 3: what stands on its diagonal, and what in its first row?",
            "Keep the diagonal visible: hide only the keys that come later than the query, as "
            "triu with diagonal=1 marks them.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="mask-anti",
        names=(
            "The mask of this attention is the wrong way round: it hides what came before and "
            "shows what comes later."
        ),
        asks="The brief asks that each position attend to itself and to the positions before it.",
        look=(
            "Look at where the mask is made and where it is applied: does a True, or a 1, mean "
            "visible or hidden in each place?"
        ),
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "Rows are queries and columns are keys: which triangle is the past?",
            "Print the attention weights for T = 4: which triangle is zero?",
            "Fill with minus infinity where the key comes later than the query, that is where "
            "tril is zero; a boolean mask for F.scaled_dot_product_attention says what is visible.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="mask-off-by-one",
        names="The mask of this attention begins too late: each position sees at least one ahead.",
        asks="The brief asks that each position attend to itself and earlier ones, and no further.",
        look="Look at the diagonal argument of tril or triu, or at the comparison of positions.",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "Which is the last position that position t may look at?",
            "Print the mask for T = 4: how many keys are visible in the first row?",
            "The first row shows one key only: tril with diagonal=0 for what is visible, or triu "
            "with diagonal=1 for what is hidden.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="attention-window",
        names="This attention sees only so many of the last positions, and none before them.",
        asks="The brief asks that each position attend to itself and to all positions before it.",
        look="Look at the mask: what else does it hide besides what comes later?",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "How far back does the last position of a long sequence look?",
            "Print the last row of the mask for a T as long as block_size.",
            "Hide what comes later and nothing else: the last row of the mask shows every key.",
        ),
        checks=("attention.block_size", "attention.equals"),
    ),
    Bug(
        slug="mask-after-softmax",
        names=(
            "This is attention whose mask comes after the softmax: the weights of a row no longer "
            "sum to one, and future scores still count in the denominator."
        ),
        asks=(
            "The causal attention that the brief asks for is a weighted average over visible "
            "positions, so the mask must act before the softmax."
        ),
        look="Look at the order of the two steps: mask the scores, then take the softmax.",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange|softmax",
        hints=(
            "What must the attention weights of one position sum to?",
            "Print weights.sum(-1) as they are when they meet v.",
            "Put minus infinity on the hidden scores first; their softmax is then exactly zero, "
            "and the rest sums to one.",
        ),
        checks=("attention.rows_sum_to_one", "attention.causal", "attention.equals"),
    ),
    Bug(
        slug="mask-too-weak",
        names="The mask of this attention is too weak: hidden positions keep some of the weight.",
        asks=(
            "The brief asks that a position attend to no later one at all: the weight there must "
            "be zero however large the scores are."
        ),
        look="Look at the value that the mask fills in or adds: its sign, its size, its exponent.",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "How low must a score be for its weight to be zero, whatever the others are?",
            "Print the attention weights of the future, unrounded, once with x multiplied by 30.",
            "Fill with minus infinity (or the dtype's lowest value); -10 leaves a trace, and 0 or "
            "1e-9 hides nothing.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="mask-wrong-sign",
        names="The mask of this attention has the wrong sign: it raises the scores of the future.",
        asks=(
            "The brief asks that later positions get no weight, so their scores must be lowered "
            "without bound before the softmax."
        ),
        look="Look at the sign of the mask's value, and at whether it is added or subtracted.",
        code=r"mask|tril|triu|causal|inf\b|finfo|1e-?\d|arange",
        hints=(
            "Does your softmax prefer large scores or small ones?",
            "Print the scores after masking for T = 3: what stands above the diagonal?",
            "What stands there must be minus infinity or a huge negative number: add a negative "
            "one, or subtract a positive one, not both.",
        ),
        checks=("attention.causal", "attention.equals"),
    ),
    Bug(
        slug="softmax-dim",
        names="The softmax of this attention runs over another axis than the keys'.",
        asks="GPT-2 takes it over the keys, so that the weights of each query sum to one.",
        look="Look at the dim of the softmax, and at the shape of the scores at that point.",
        code=r"softmax|dim=|exp|sum",
        hints=(
            "For which fixed index do the attention weights sum to one, and over which do you sum?",
            "Print weights.sum(-1) and weights.sum(-2) before dropout: which is all ones?",
            "With scores of shape (…, queries, keys), the softmax runs over dim=-1.",
        ),
        checks=("attention.rows_sum_to_one", "attention.causal", "attention.equals"),
    ),
    Bug(
        slug="softmax-over-heads",
        names="The softmax of this attention runs over the heads.",
        asks="GPT-2 takes it over the keys, for every head and every query on its own.",
        look="Look at which axis of the scores the heads are on, and at the dim of the softmax.",
        code=r"softmax|dim=|exp|sum",
        hints=(
            "Should the heads compete with one another?",
            "Print scores.shape just before the softmax and name each axis.",
            "Take the softmax over the axis of the keys: dim=-1 for scores of shape (B, H, T, T).",
        ),
        checks=("attention.rows_sum_to_one", "attention.causal", "attention.equals"),
    ),
    Bug(
        slug="zero-times-infinity",
        names="The mask of this attention is multiplied with infinity, and 0 · ∞ is NaN.",
        asks="The brief asks that later positions get no weight, and the others what they have.",
        look="Look for a product with float('inf') or with the mask's value.",
        code=r"inf\b|mask|tril|triu",
        hints=(
            "What is zero times infinity?",
            "Print the mask as it is added to the scores, for T = 3.",
            "Fill in minus infinity where it belongs: scores.masked_fill(mask == 0, "
            "float('-inf')).",
        ),
        checks=("attention.causal", "attention.shape", "attention.equals"),
    ),
    Bug(
        slug="softmax-before-scale",
        names="This is attention whose division by √head_dim comes after the softmax.",
        asks=(
            "GPT-2 scales the scores before the softmax; afterwards the division no longer "
            "tempers them, and the weights do not sum to one."
        ),
        look="Look at the order of softmax and division, and at the brackets around them.",
        code=r"softmax|sqrt|\*\* ?-?\(?-?0?\.5|scale|head_dim|@|matmul|einsum",
        hints=(
            "What is the scale there to protect from large numbers?",
            "Print weights.sum(-1): is it one, or 1/√head_dim?",
            "First q @ kᵀ divided by √head_dim, then the mask, then the softmax, then nothing but "
            "dropout.",
        ),
        checks=("attention.scale", "attention.equals"),
    ),
)
