"""The brief and the stub of a GPT-2 with twists, written out from what is asked."""

from __future__ import annotations

import re
import textwrap

from grader.catalogue import HANDOUT
from grader.gpt2.specification import Specification
from grader.gpt2.twists import named, names_of

_PROBLEM = """\
A GPT-2 is a decoder-only Transformer that generates text with causal self-attention. This brief
asks for one that differs from GPT-2 in some of its choices. **A GPT-2 as you know it by heart is
not what is wanted**: what is said here goes, and only where nothing is said, GPT-2's own choice.

What differs: {names}.
"""
_TASK = """\
Implement this model in PyTorch:

1. **Embeddings.** {positions}
2. **Attention** (`CausalSelfAttention`), causal, with `num_heads` heads of
   `D = embed_dim / num_heads` channels each. {keys} {scores}
3. **MLP** (`MLP`), the same for every position. {mlp}
4. **Block** (`TransformerBlock`). {block}
5. **The full model** (`GPT2`), which stacks `num_layers` blocks, puts a last {norm} behind them,
   and returns the logits of a linear head. {head} {cap}

{norms}

{biases}
"""
_SIGNATURES = """\
| class | in | out |
|---|---|---|
| `CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p=0.0)` | `(B, T, C)` | `(B, T, \
C)` |
| `MLP(embed_dim, dropout_p=0.0)` | `(B, T, C)` | `(B, T, C)` |
| `TransformerBlock(embed_dim, num_heads, block_size, dropout_p=0.0)` | `(B, T, C)` | `(B, T, C)` |
| `GPT2(vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0)` | `(B, T)` token \
indices | `(B, T, vocab_size)` logits |
"""
_POSITIONS = {
    "learned": "The model adds a learned token embedding and a learned position embedding, which "
    "has a row for each place up to `block_size`: position `t = 0, 1, …` adds row `t`.",
    "sinusoidal": "The model adds a learned token embedding and a fixed, not learned, position "
    "encoding. At position `t = 0, 1, …`, an even channel `2i` gets `sin(t / 10000 ** (2i / C))` "
    "and the odd channel `2i + 1` gets `cos(t / 10000 ** (2i / C))`, where `C = embed_dim`. Where "
    "`C` is odd, the last channel is an even one and has a sine. Nothing is scaled before the sum.",
    "alibi": "The model has a learned token embedding and adds **no position embedding** to it: "
    "what goes into the first block is the token embedding alone (dropout apart). Where a token "
    "stands is told by attention alone, see ALiBi below.",
}
_ALIBI = (
    "**ALiBi**: from the scaled score of query position `i` and key position `j ≤ i` head `h` "
    "takes off `slope_h * (i - j)`, before the softmax. For head `h = 1, 2, …, num_heads`, "
    "`slope_h = 2 ** (-8 * h / num_heads)`, for every number of heads, whether that is a power of "
    "two or not: with 2 heads 1/16 and 1/256. The slopes are constants and are not learned."
)
_KEYS = {
    "each": "Queries, keys and values are learned linear projections of the input, with queries, "
    "keys and values of its own for every head.",
    "one": "**Multi-query**: queries are a learned linear projection with `num_heads` heads of "
    "`D` channels; keys and values have one head of `D` channels each, which all query heads "
    "share. So the projection of keys goes from `embed_dim` to `D` channels, and so does that of "
    "values.",
    "pairs": "**Grouped queries**: queries are a learned linear projection with `num_heads` heads "
    "of `D` channels; keys and values have `(num_heads + 1) // 2` heads of `D` channels. Counted "
    "from 0, query head `h` uses head `h // 2` of keys and of values: heads 0 and 1 share one, "
    "heads 2 and 3 the next, and so on. Where `num_heads` is odd, the last head of keys and "
    "values serves the last query head alone; with `num_heads = 1` there is one of each.",
}
_QK_NORM = (
    "**Normed queries and keys**: after the projection, each head's query vector and each head's "
    "key vector is divided by its root mean square over the head's own `D` channels: `q / "
    "sqrt(mean(q ** 2) + 1e-6)`, the mean over those `D` channels, and the same for `k`. Nothing "
    "is learned in this. Values are left as they are."
)
_SCORES = "The scores `q · k` are divided by `sqrt(D)` before the softmax over the keys."
_WINDOW = (
    "**Sliding window**: a position sees at most {w} positions, **itself among them**: query "
    "position `i` attends to key positions `j` with `i - {w} < j <= i` and to no others. Near the "
    "beginning of a sequence it sees all that there is."
)
_CAUSAL = "A position attends to itself and to all earlier positions, never to later ones."
_MERGE = (
    "The heads' outputs are put side by side again, and one more learned linear layer from "
    "`embed_dim` to `embed_dim` follows."
)
_MLP = {
    "gelu": "Two linear layers with a hidden width of `4 * embed_dim`, and GELU (exact or in its "
    "tanh form) between them: `down(gelu(up(x)))`.",
    "relu-squared": "Two linear layers with a hidden width of `4 * embed_dim`, and the **square "
    "of ReLU** between them: `down(relu(up(x)) ** 2)`, that is `max(z, 0) ** 2` for each hidden "
    "value.",
    "swiglu": "**SwiGLU**, of three linear layers: `down(silu(gate(x)) * up(x))`, where `gate` "
    "and `up` go from `embed_dim` to the hidden width, `down` goes back, `*` multiplies element "
    "by element, and `silu(z) = z * sigmoid(z)` is applied to `gate(x)` and not to `up(x)`. The "
    "hidden width is `8 * embed_dim // 3`, rounded down to a whole number: 42 for `embed_dim = "
    "16`.",
}
_BLOCK = {
    "pre-norm": "Pre-norm, with two norms: `x = x + attention(norm1(x))`, then `x = x + "
    "mlp(norm2(x))`.",
    "post-norm": "**Post-norm**, with two norms, which stand behind the sums: `x = norm1(x + "
    "attention(x))`, then `x = norm2(x + mlp(x))`. Attention and MLP read the stream as it is.",
    "sandwich-norm": "**Sandwich norm**, with four norms, each with weights of its own: `x = x + "
    "norm2(attention(norm1(x)))`, then `x = x + norm4(mlp(norm3(x)))`. The stream itself is not "
    "normed.",
    "parallel": "**Parallel**, with two norms, each with weights of its own: `x = x + "
    "attention(norm1(x)) + mlp(norm2(x))`, where both read the same `x`, the block's input.",
}
_NORMS = {
    "layer": "Every norm is a LayerNorm over the last axis, with a learned weight for each "
    "channel{bias}. Its eps is small: 1e-5, as torch has it, or less.",
    "rms": "Every norm, in the blocks and behind the last one, is an **RMSNorm** over the last "
    "axis: `x / sqrt(mean(x ** 2) + eps) * weight`, the mean over the `embed_dim` channels, with "
    "a learned weight for each channel, **no bias**, and no mean taken off. Its eps is small: "
    "1e-5 or less.",
}
_HEAD = {
    "free": "The head is tied to the token embedding or not, as you like{bias}.",
    "tied": "The head is **tied**: its weight is the token embedding's table itself, one and the "
    "same parameter{bias}.",
    "untied": "The head is **not tied**: its weight is a parameter of its own, another than the "
    "token embedding's table{bias}.",
}
_CAP = (
    "**Soft cap**: what the model returns is `{cap:g} * tanh(z / {cap:g})`, where `z` is what the "
    "head gives."
)
_RULES = """\
- Use PyTorch and Python's standard library, nothing else. Write the Transformer yourself:
  `nn.Linear`, `nn.LayerNorm`, `nn.Embedding`, `nn.Dropout` and the like are fine,
  `nn.MultiheadAttention` and `nn.Transformer…` are not.
- `dropout_p` acts in train mode and does nothing in eval mode. Attention and MLP of every block
  feel it; whether the embeddings and the attention weights do, too, is yours to choose.
- You may rely on what the brief says of the inputs: `1 ≤ T ≤ block_size`, `embed_dim` divisible by
  `num_heads`, token indices int64 from 0 to `vocab_size - 1`, `x` and weights in float32. No token
  stands for padding. `embed_dim` and `num_heads` may be odd.
- The core architecture is what counts, not speed.
"""


def brief(twists: tuple[str, ...]) -> str:
    """The brief, as Markdown."""
    asked = named(twists)
    plain = (HANDOUT / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^(?=## )", plain, flags=re.M)
    told = {
        "The problem": _PROBLEM.format(names=", ".join(f"`{name}`" for name in names_of(asked))),
        "The task": f"{_task(asked).strip()}\n\n{_SIGNATURES}\n{_letters(sections)}",
        "Constraints": _RULES,
    }
    found = [sections[0].replace("# GPT-2 from scratch", "# A GPT-2 with a twist")]
    for section in sections[1:]:
        title = section.splitlines()[0].removeprefix("## ").strip()
        found.append(f"## {title}\n\n{told[title].strip()}\n\n" if title in told else section)
    return "".join(found)


def _letters(sections: list[str]) -> str:
    """What the plain brief says below its table of signatures."""
    task = next(section for section in sections if section.startswith("## The task"))
    return task[task.index("`B` is the batch") :].strip()


def _task(asked: Specification) -> str:
    bias = ", with a bias or without"
    scores = [
        *([_QK_NORM] if asked.qk_norm else []),
        _SCORES,
        *([_ALIBI] if asked.positions == "alibi" else []),
        _WINDOW.format(w=asked.window) if asked.window else _CAUSAL,
        _MERGE,
    ]
    if asked.biases:
        biases = "Linear layers may have biases or not, as you like."
    else:
        biases = (
            "**No biases anywhere**: no linear layer, no norm and not the head has one, and no "
            "parameter is left over that would be one. `nn.LayerNorm(embed_dim, bias=False)` is a "
            "LayerNorm without."
        )
    norm = {"layer": "LayerNorm", "rms": "RMSNorm"}[asked.norm]
    found = _TASK.format(
        positions=_POSITIONS[asked.positions],
        keys=_KEYS[asked.keys],
        scores=" ".join(scores),
        mlp=_MLP[asked.mlp],
        block=_BLOCK[asked.block],
        norm=norm,
        head=_HEAD[asked.head].format(bias=bias if asked.biases else ", and without a bias"),
        cap=_CAP.format(cap=asked.cap) if asked.cap else "",
        norms=_NORMS[asked.norm].format(
            bias=" and a bias, or without the bias" if asked.biases else " and no bias"
        ),
        biases=biases,
    )
    lines = found.replace("\n   ", " ").splitlines()  # an item of the list in one
    return "\n".join(map(_wrapped, lines))


def _wrapped(line: str) -> str:
    """A line of Markdown in lines of at most 100 characters; what belongs to a list is "
    "indented."""
    indent = "   " if line[:1].isdigit() else ""
    whole = _CODE.sub(lambda code: code[0].replace(" ", _GLUE), line)  # what is code stays together
    wrapped = textwrap.fill(
        whole, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return wrapped.replace(_GLUE, " ")


_CODE, _GLUE = re.compile(r"`[^`]+`"), "\0"
# What the stub says of GPT-2's own choices.
_OWN = (
    ("GPT-2 from scratch:", "A GPT-2 with a twist:"),
    (
        "Multi-head self-attention in which a position sees itself and what came before it.",
        "Causal multi-head self-attention, as the brief has it.",
    ),
    (
        "The feed-forward network of a block, with GELU, the same for every position.",
        "The feed-forward network of a block, the same for every position.",
    ),
    (
        "C, the width of input and output; in between it is four times as wide.",
        "C, the width of input and output; the brief has that in between.",
    ),
    (
        "A pre-normalised residual block: attention, then MLP.",
        "A residual block of attention and MLP, put together as the brief has it.",
    ),
    (
        "Token and position embeddings, num_layers blocks, a final norm, and logits.",
        "Embeddings, num_layers blocks, a final norm, and logits, as the brief has them.",
    ),
    ("-> raw logits: (B, T, V)", "-> logits: (B, T, V)"),
)


def stub(twists: tuple[str, ...]) -> str:
    """The stub, which leaves to the brief what differs from GPT-2."""
    text = (HANDOUT / "gpt2.py").read_text(encoding="utf-8")
    for own, neutral in _OWN if twists else ():
        text = text.replace(own, neutral)
    return text


def handout(twists: tuple[str, ...]) -> dict[str, bytes]:
    """The files that a candidate gets, by name."""
    return {"gpt2.py": stub(twists).encode(), "README.md": brief(twists).encode()}
