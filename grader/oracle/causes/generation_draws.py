"""Bugs of `generate` where tokens are drawn."""

from __future__ import annotations

from grader.oracle.causes.entry import Cause

_CHOICE = r"argmax|max\(|multinomial|softmax|temperature"
_TEMPERATURE = r"temperature"
_TOP_K = r"top_?k|topk"
_TOP_P = r"top_?p|cumsum|sort"

GENERATION_DRAWS: tuple[Cause, ...] = (
    Cause(
        "temperature-ignored",
        "The temperature has no effect.",
        "The brief asks that logits be divided by it.",
        "Look at where temperature is used, and whether its result is.",
        _TEMPERATURE,
        (
            "What does temperature change in your code?",
            "Print the probabilities for temperatures 0.5 and 2.",
            "logits = logits / temperature, before the softmax.",
        ),
        ("generation.temperature",),
    ),
    Cause(
        "temperature-multiplied",
        "The logits are multiplied by the temperature.",
        "The brief asks for division: a high temperature makes tokens more alike.",
        "Look at the line with the temperature.",
        _TEMPERATURE,
        (
            "Should a high temperature make the choice more or less random?",
            "Print the probabilities for temperatures 0.5 and 2.",
            "Divide: logits / temperature.",
        ),
        ("generation.temperature",),
    ),
    Cause(
        "temperature-on-probabilities",
        "The temperature acts on probabilities, which then go through a softmax again.",
        "The brief asks that logits be divided by it, before their only softmax.",
        "Look at the order of softmax and temperature, and count the softmaxes.",
        _CHOICE,
        (
            "What do you divide by the temperature?",
            "Print the probabilities at temperature 1, and the softmax of the logits.",
            "softmax(logits / temperature), once.",
        ),
        ("generation.temperature",),
    ),
    Cause(
        "always-greedy",
        "The most probable token is taken at any temperature.",
        "The brief asks for draws in proportion to the probabilities.",
        "Look at how a token is chosen when temperature is above 0.",
        _CHOICE,
        (
            "Is anything left to chance in your function?",
            "Generate ten times and compare.",
            "torch.multinomial(probabilities, 1) for each row.",
        ),
        ("generation.temperature",),
    ),
    Cause(
        "not-in-proportion",
        "Every token that is left is drawn as often as any other.",
        "The brief asks for draws in proportion to the probabilities.",
        "Look at what goes into the draw: probabilities, or a mask?",
        _CHOICE + r"|randint|choice",
        (
            "How much more often does a probable token come?",
            "Count a thousand draws and compare with the probabilities.",
            "Give the probabilities themselves to torch.multinomial.",
        ),
        ("generation.temperature",),
    ),
    Cause(
        "top-k-ignored",
        "top_k has no effect.",
        "The brief asks that only the top_k most probable tokens be drawn.",
        "Look at where top_k is used, and whether its result is.",
        _TOP_K,
        (
            "What does top_k change in your code?",
            "Print how many probabilities are above zero for top_k=2.",
            "logits = logits.masked_fill(logits < kth, -inf), and use what comes out.",
        ),
        ("generation.top_k",),
    ),
    Cause(
        "top-k-off-by-one",
        "One token more or fewer than top_k is kept.",
        "The brief asks for exactly top_k of them.",
        "Look at the index of the k-th largest logit, and at < against <=.",
        _TOP_K,
        (
            "How many tokens are left?",
            "Print how many probabilities are above zero for top_k=2.",
            "The k-th largest is topk(k).values[:, -1]; keep what is not below it.",
        ),
        ("generation.top_k",),
    ),
    Cause(
        "top-k-keeps-the-least",
        "The least probable tokens are kept rather than the most probable ones.",
        "The brief asks for the top_k most probable tokens.",
        "Look at the direction of a sort, and at the comparison with the k-th logit.",
        _TOP_K + r"|sort|<|>",
        (
            "Which end of the list do you keep?",
            "Print the probabilities before and after top_k=2.",
            "Set the logits that are below the k-th largest to minus infinity.",
        ),
        ("generation.top_k",),
    ),
    Cause(
        "top-p-ignored",
        "top_p has no effect.",
        "The brief asks that only as few tokens be drawn as it takes to reach top_p.",
        "Look at where top_p is used, and whether its result is.",
        _TOP_P,
        (
            "What does top_p change in your code?",
            "Print how many probabilities are above zero for top_p=0.5.",
            "Sort, sum up, cut, and put what is left back to its places.",
        ),
        ("generation.top_p",),
    ),
    Cause(
        "top-p-without-the-crossing-token",
        "The token with which the sum reaches top_p is left out.",
        "The brief asks for a sum of at least top_p: the token that crosses the line is in.",
        "Look at the comparison of the cumulative sum with top_p.",
        _TOP_P,
        (
            "What do the kept probabilities sum to?",
            "Print that sum beside top_p: is it at least as large?",
            "Keep a token while the sum before it, cumsum - p, is below top_p.",
        ),
        ("generation.top_p",),
    ),
    Cause(
        "top-p-one-token-too-many",
        "One token more is kept than it takes to reach top_p.",
        "The brief asks for as few as it takes.",
        "Look at the shift of the mask that keeps the token which crosses the line.",
        _TOP_P,
        (
            "Could one token less do?",
            "Print the sorted probabilities, their cumulative sum, and what you keep.",
            "Keep a token while cumsum - p is below top_p, without a further shift.",
        ),
        ("generation.top_p",),
    ),
    Cause(
        "top-p-keeps-the-least",
        "The sum to top_p begins with the least probable tokens.",
        "The brief asks for the most probable ones.",
        "Look at the direction of the sort.",
        _TOP_P,
        (
            "With which token does your cumulative sum begin?",
            "Print the sorted probabilities.",
            "sort(descending=True) before the cumulative sum.",
        ),
        ("generation.top_p",),
    ),
    Cause(
        "top-p-of-each-token",
        "top_p is a bound for each probability, not for their sum.",
        "The brief asks for as few of the most probable tokens as sum to at least top_p.",
        "Look for a cumulative sum over sorted probabilities.",
        _TOP_P,
        (
            "What must reach top_p: a probability, or a sum?",
            "Print which tokens are left for top_p=0.9.",
            "Sort descending, take the cumulative sum, and compare that with top_p.",
        ),
        ("generation.top_p",),
    ),
    Cause(
        "top-p-before-temperature",
        "top_p is applied to the probabilities before the temperature.",
        "The brief asks for temperature first, then top_k, then top_p.",
        "Look at the order of the three.",
        _TOP_P + "|" + _TEMPERATURE,
        (
            "Of which probabilities do you take top_p?",
            "Print what is left for temperature=2 and top_p=0.6.",
            "Divide by the temperature before anything is cut.",
        ),
        ("generation.together",),
    ),
    Cause(
        "top-p-before-top-k",
        "top_p is applied to all tokens, before or beside top_k.",
        "The brief asks for top_p of what top_k leaves, whose probabilities sum to one again.",
        "Look at the order of the two, and at which probabilities top_p sums up.",
        _TOP_P + "|" + _TOP_K,
        (
            "Of which probabilities do you take top_p?",
            "Print their sum after top_k and before top_p: is it one?",
            "Cut logits to top_k, take the softmax, and cut that to top_p.",
        ),
        ("generation.together",),
    ),
    Cause(
        "draws-depend-on-one-another",
        "Tokens of several rows or steps come from one draw.",
        "The brief asks that every row and every step be drawn anew.",
        "Look at the shape that the draw is made from, and for a seed that is set in the loop.",
        r"multinomial|seed|rand|expand|repeat",
        (
            "How many draws does one step of a batch take?",
            "Generate for many equal rows: do they differ?",
            "torch.multinomial on (B, V) draws for each row by itself.",
        ),
        ("generation.independent",),
    ),
    Cause(
        "vocabulary-hard-coded",
        "Tokens of a large vocabulary are not drawn as they should be, those of a small one are.",
        "The brief asks for any model: its vocabulary has the size of the logits' last axis.",
        "Look for a number in the code that bounds tokens or their count.",
        r"\b\d{2,}\b|topk|vocab",
        (
            "Does the size of the vocabulary matter to your code?",
            "Draw from a thousand tokens that are nearly alike: how many different ones come?",
            "No size of the vocabulary is a constant in the code; take it from logits.shape[-1].",
        ),
        ("generation.vocabulary",),
    ),
)
