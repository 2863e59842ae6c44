"""What the checks say, and hint at, where a GPT-2 is asked for with twists."""

from __future__ import annotations

from dataclasses import replace

from grader.check import Check
from grader.gpt2.specification import Specification
from grader.gpt2.twists import WINDOW, names_of

_Texts = tuple[str, tuple[str, str, str] | None]  # a requirement, and hints; "" and None: as ever
_FORMULAS = {
    "post-norm": "x = norm1(x + attn(x)); x = norm2(x + mlp(x)); return x",
    "sandwich-norm": "x = x + norm2(attn(norm1(x))); x = x + norm4(mlp(norm3(x))); return x",
    "parallel-block": "return x + attn(norm1(x)) + mlp(norm2(x))",
}
_BY_HAND = (
    "All parts may be there and yet be put together differently.",
    "Compute both halves of the block by hand from its own parts and compare.",
)
_WRITE = "Write down what each sublayer receives and what is added to x, and read the brief again."
_TEXTS: dict[str, dict[str, _Texts]] = {
    "post-norm": {
        "block.pre_norm": (
            "A norm stands behind each sum of the stream and a sublayer's output, nowhere else.",
            ("Where does the brief want the norms?", _WRITE, _FORMULAS["post-norm"]),
        ),
        "block.residuals": (
            "Each sublayer's output is added to the stream that it read, once.",
            (
                "What is left of x if both sublayers give zero?",
                "Set all weights of attention and MLP to zero: the block must give "
                "norm2(norm1(x)).",
                _FORMULAS["post-norm"],
            ),
        ),
    },
    "sandwich-norm": {
        "block.pre_norm": (
            "A norm stands before and behind each sublayer, and none on the residual stream.",
            ("Where does the brief want the norms?", _WRITE, _FORMULAS["sandwich-norm"]),
        ),
        "block.norms": (
            "The four norms are distinct, over the last axis, with learnable weights.",
            (
                "How many norms does the brief's block have?",
                "Print how many parameters your block has besides attention's and the MLP's.",
                "Four norms over embed_dim, each with weights of its own: before and behind "
                "attention, before and behind the MLP.",
            ),
        ),
        "block.residuals": (
            "",
            (
                "What is left of x if both sublayers give zero?",
                "Set all weights of the two outer norms to zero: the block must give x back.",
                _FORMULAS["sandwich-norm"],
            ),
        ),
    },
    "parallel-block": {
        "block.pre_norm": (
            "A norm of its own stands before attention and one before the MLP, and both read the "
            "block's input.",
            ("What does the MLP of the brief's block read?", _WRITE, _FORMULAS["parallel-block"]),
        ),
        "block.residuals": (
            "Both sublayers' outputs are added to the block's input, once.",
            (
                "What is left of x if both sublayers give zero?",
                "Set all weights of attention and MLP to zero: the block must give x back.",
                _FORMULAS["parallel-block"],
            ),
        ),
        "block.order": (
            "Attention and MLP both read the block's input, each once.",
            (
                "What does the MLP read: the block's input, or what attention made of it?",
                "Print what the MLP receives with attention's weights at zero and without.",
                "Compute both branches from x, and add both to it in one step.",
            ),
        ),
    },
    "rmsnorm": {
        "block.norms": (
            "The norms are distinct RMSNorms over the last axis with a learnable weight each.",
            (
                "What does RMSNorm leave out of LayerNorm?",
                "Print the mean over the last axis of a norm's output: nothing takes it off.",
                "x / sqrt(mean(x²) + eps) * weight, the mean over the last axis; no bias.",
            ),
        ),
        "gpt2.final_norm": (
            "An RMSNorm of its own stands between the last block and the head.",
            (
                "What happens between the last block and the head?",
                "Print mean and root mean square of what the head receives.",
                "One more RMSNorm of its own, after the last block.",
            ),
        ),
    },
    "relu-squared": {
        "mlp.gelu": (
            "The activation between the two layers is the square of ReLU.",
            (
                "Which activation does the brief ask for, and where?",
                "Feed -1, 0, 1 and 2 through your activation alone: it gives 0, 0, 1 and 4.",
                "torch.relu(z) ** 2 between the two linear layers, and only there.",
            ),
        ),
        "mlp.nonlinear": (
            "",
            (
                "What can two linear layers do that one cannot?",
                "Is the output for 2x twice that for x, but for the biases?",
                "The activation stands between the two layers: down(relu(up(x)) ** 2).",
            ),
        ),
        "mlp.equals": (
            "With the same weights, the output is that of the brief's MLP.",
            (
                "All parts may be there and yet be put together differently.",
                "Compute one hidden unit by hand.",
                "down(relu(up(x)) ** 2), with nothing before, after or beside it but dropout.",
            ),
        ),
    },
    "swiglu": {
        "mlp.width": (
            "The hidden layer has 8 * embed_dim // 3 units.",
            (
                "How wide is the MLP in the middle?",
                "Print the shapes of your parameters for embed_dim = 16.",
                "Three matrices: two of them from embed_dim to 8 * embed_dim // 3, one back.",
            ),
        ),
        "mlp.gelu": (
            "The gate's activation is SiLU, z * sigmoid(z).",
            (
                "Which activation does the brief ask for, and of which half?",
                "Feed -1, 0 and 1 through your activation alone: SiLU gives -0.269, 0 and 0.731.",
                "F.silu on the gate, and on nothing else; its output times the other half.",
            ),
        ),
        "mlp.nonlinear": (
            "",
            (
                "What makes the output more than a linear layer's?",
                "Is the output for 2x twice that for x, but for the biases?",
                "down(silu(gate(x)) * up(x)).",
            ),
        ),
        "mlp.equals": (
            "With the same weights, the output is that of the brief's MLP.",
            (
                "All parts may be there and yet be put together differently.",
                "Compute one hidden unit by hand.",
                "down(silu(gate(x)) * up(x)), with nothing before, after or beside it but dropout.",
            ),
        ),
    },
    WINDOW: {
        "attention.causal": (
            "Each position attends to itself and to the positions before it that are in its "
            "window, and to no others.",
            (
                "Which positions may position t look at?",
                "Print the attention weights of one head as a T × T matrix: which band is not "
                "zero?",
                "With i the query's position, j the key's and w the window, hide j > i and i - j "
                ">= w.",
            ),
        ),
        "attention.order": (
            "The order of the past that a position sees makes no difference to its output.",
            None,
        ),
        "attention.equals": ("With the same weights, the output is the brief's.", None),
    },
    "alibi": {
        "attention.order": (
            "The order of the past makes a difference: scores fall with the distance.",
            (
                "How does this attention know how far away a position is?",
                "Swap two past vectors: the last output must be another one.",
                "Take slope · (i - j) off the scores before the softmax, each head with its own "
                "slope.",
            ),
        ),
        "attention.equals": (
            "With the same weights, the output is that of the brief's attention.",
            (
                "All parts may be there and yet be put together differently.",
                "Compute one head of one position by hand for T = 2 and compare.",
                "softmax(q kᵀ / √head_dim - slope · distance, masked) v, head h = 1 … H with the "
                "slope 2^(-8h/H).",
            ),
        ),
        "gpt2.positions": (
            "No position embedding is added: where a token stands is attention's to tell.",
            (
                "Who tells this model where a token stands?",
                "Read again what the brief says of positions in GPT2 itself.",
                "x = token_embedding(idx), and nothing added to it.",
            ),
        ),
    },
    "sinusoidal": {
        "gpt2.positions": (
            "The brief's sine or cosine of its position is added to each channel of a token.",
            (
                "How does the model know where a token stands?",
                "Print your table for T = 3 and embed_dim = 4: its first rows are (0, 1, 0, 1) "
                "and (0.8415, 0.5403, 0.0100, 1.0000).",
                "Channel 2i has sin(t / 10000^(2i/C)), channel 2i + 1 the cosine of the same; a "
                "buffer, not a parameter.",
            ),
        ),
    },
    "multi-query": {
        "attention.projections": (
            "Queries are projected for every head, keys and values once for all heads.",
            (
                "How many heads of keys and values are there?",
                "Count your parameters: queries and output have C × C each, keys and values C × "
                "head_dim each.",
                "Project keys and values to (B, 1, T, head_dim), and let that be used with every "
                "head's queries.",
            ),
        ),
    },
    "grouped-query": {
        "attention.projections": (
            "Queries are projected for every head, keys and values once for each pair of heads.",
            (
                "How many heads of keys and values are there?",
                "Count your parameters: keys and values have (num_heads + 1) // 2 heads.",
                "k.repeat_interleave(2, dim=1)[:, :num_heads], and the same for v.",
            ),
        ),
    },
    "qk-norm": {
        "attention.equals": (
            "With the same weights, the output is that of the brief's attention.",
            (
                "All parts may be there and yet be put together differently.",
                "Print the mean of q² and of k² over the last axis, right before q @ kᵀ: both are "
                "1.",
                "q / sqrt(mean(q²) + 1e-6) over each head's channels, k likewise; then as ever.",
            ),
        ),
    },
    "no-biases": {
        "attention.projections": (
            "Queries, keys, values and the output are learned projections, without biases.",
            None,
        ),
        "mlp.equals": ("With the same weights, the output is that of an MLP without biases.", None),
        "block.norms": ("The norms are distinct ones over the last axis, with no bias.", None),
    },
    "soft-cap": {
        "gpt2.logits": (
            "The output is 30 * tanh(z / 30), z being what the head gives.",
            (
                "How large may a logit of this model be?",
                "Multiply the head's weights by 1000: every logit must stay between -30 and 30.",
                "z = head(norm(x)); return 30.0 * torch.tanh(z / 30.0).",
            ),
        ),
    },
    "tied-head": {
        "gpt2.logits": (
            "The output is raw logits of a head that is the token table itself.",
            (
                "How many tables of (vocab_size, embed_dim) does the brief ask for?",
                "Is head.weight the very same object as the token embedding's weight?",
                "self.head.weight = self.token_embedding.weight",
            ),
        ),
    },
    "untied-head": {
        "gpt2.logits": (
            "The output is raw logits of a head with a table of its own.",
            (
                "How many tables of (vocab_size, embed_dim) does the brief ask for?",
                "Count the parameters of that shape: there are two.",
                "nn.Linear(embed_dim, vocab_size), whose weight is nobody else's.",
            ),
        ),
    },
}
_PUT_TOGETHER = {
    "learned": "token + position",
    "sinusoidal": "token + sines and cosines",
    "alibi": "token alone",
}


def told(check: Check, asked: Specification) -> Check:
    """The check as it is put where this is asked for."""
    texts = [_TEXTS[name.partition("=")[0]].get(check.id, ("", None)) for name in names_of(asked)]
    requirement = " ".join(words for words, _ in texts if words)
    steps = [hints for _, hints in texts if hints]
    hints = tuple(" ".join(step) for step in zip(*steps, strict=True))
    check = replace(
        check,
        requirement=requirement or check.requirement,
        hints=hints or check.hints,
        needed=bool(requirement or hints),
    )
    block = next((_FORMULAS[name] for name in names_of(asked) if name in _FORMULAS), "")
    if check.id == "block.equals":
        requirement = "With the same weights and parts, the output is that of the brief's block."
        hints = (*_BY_HAND, block) if block else check.hints
        return replace(check, requirement=requirement, hints=hints)
    if check.id == "gpt2.equals":
        words = f"{_PUT_TOGETHER[asked.positions]}, the blocks in order, final norm, head"
        hints = (*check.hints[:2], f"{words}, soft cap." if asked.cap else f"{words}.")
        requirement = "With the same weights, the logits are those of the brief's model."
        return replace(check, requirement=requirement, hints=hints)
    return check
