"""Bugs of special tokens."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "vocab-size-wrong",
        "vocab_size is not the number of ids.",
        "It counts the 256 bytes, the merges and the special tokens, and is an attribute.",
        "Look at vocab_size.",
        "vocab_size",
        (
            "Which is the greatest id that there is?",
            "Print tokenizer.vocab_size with two merges and one special token: 259.",
            "256 + len(merges) + len(special_tokens), on self or as a property.",
        ),
        ("tokenizer.special_ids",),
    ),
    Bug(
        "special-ids-misplaced",
        "Special tokens do not have the ids after the merges, in the order given.",
        "Ids are given out to bytes, then merges, then special tokens in their order.",
        "Look at where special tokens get their ids.",
        "special|sorted",
        (
            "Which id has the first special token?",
            "Print the ids of special tokens that are not in alphabetical order.",
            "256 + len(merges) + n for the n-th as given, before any sorting.",
        ),
        ("tokenizer.special_ids", "tokenizer.special_allowed"),
    ),
    Bug(
        "special-shares-an-id",
        "A special token whose text is that of a byte or a merge has no id of its own beside it.",
        "The brief gives an id to each special token, and 'a' as text is not the special token "
        "'a'.",
        "Look for one table that holds both: what was there under this key is overwritten, or "
        "stays.",
        "special|setdefault|not in|\\.get\\(",
        (
            "What if a special token is '|', which is a byte, too?",
            "Make a tokenizer with the special token '|' and encode '|' with and without "
            "allow_special; print vocab_size.",
            "Keep special tokens in a table of their own, from text to id.",
        ),
        ("tokenizer.special_ids",),
    ),
    Bug(
        "special-always",
        "Special tokens become ids without allow_special.",
        "Without it they are text like any other.",
        "Look at where allow_special is used.",
        "special",
        (
            "Who decides whether special tokens count?",
            "Encode '<|end|>' without allow_special.",
            "if allow_special: … else the plain way.",
        ),
        ("tokenizer.special_ordinary",),
    ),
    Bug(
        "special-never",
        "Special tokens are text even with allow_special=True.",
        "With it each becomes its id.",
        "Look at where allow_special is used.",
        "special",
        (
            "What does allow_special change?",
            "Encode a special token with allow_special=True: it is one id.",
            "Split the text at special tokens first.",
        ),
        ("tokenizer.special_allowed", "tokenizer.special_ids"),
    ),
    Bug(
        "special-inverted",
        "allow_special means its opposite.",
        "Special tokens count with allow_special=True only.",
        "Look for a not.",
        "special|not ",
        (
            "What does allow_special=True do?",
            "Encode a special token with and without.",
            "if allow_special: split at special tokens.",
        ),
        ("tokenizer.special_ordinary", "tokenizer.special_allowed"),
    ),
    Bug(
        "special-not-longest",
        "Of special tokens that begin at the same place it does not take the longest.",
        "The brief asks for the longest.",
        "Look at the order in which special tokens are tried.",
        "special|sorted|join",
        (
            "Which alternative of a pattern counts if two fit?",
            "With '<a>' and '<a><b>' encode '<a><b>'.",
            "Sort by length, the longest first, before joining them with |.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-first-place-only",
        "Only the first place of a special token counts.",
        "Each becomes its id, wherever it stands.",
        "Look for partition, find and a count of 1.",
        "special|partition|find",
        (
            "What if a special token stands twice?",
            "Encode '<|end|><|end|>' with allow_special=True.",
            "Split at all places.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-not-escaped",
        "Special tokens are taken for patterns.",
        "They are texts: | and . and * stand for themselves.",
        "Look at where special tokens become a pattern.",
        "special|escape",
        (
            "What does | mean in a pattern?",
            "Encode '<|end|>' and 'axb' where 'a.b' is special.",
            "re.escape each of them.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-ignores-case",
        "Special tokens count in upper and lower case alike.",
        "They are texts: '<|END|>' is not '<|end|>'.",
        "Look for IGNORECASE, lower and casefold.",
        "IGNORECASE|regex\\.I|re\\.I|lower|casefold",
        (
            "Is '<|END|>' a special token if '<|end|>' is?",
            "Encode '<|END|>' with allow_special=True: it is text.",
            "Compile the pattern of special tokens without flags.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-text-stripped",
        "Spaces beside special tokens are lost.",
        "The text between is encoded as it is.",
        "Look for strip.",
        "special|strip",
        (
            "What stands between two special tokens?",
            "Encode 'a <|end|> b' with allow_special=True.",
            "Encode every stretch as it is.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-cut-with-the-text",
        "The text is cut into pre-tokens before special tokens are found.",
        "The text between two special tokens is encoded as if it stood alone.",
        "Look at which comes first: the pattern, or the special tokens.",
        "special|findall|finditer",
        (
            "What follows the spaces in 'a  <|end|>'?",
            "Encode 'a  <|end|>' with allow_special=True, and 'a  ' alone.",
            "Split at special tokens first, then cut each stretch by the pattern.",
        ),
        ("tokenizer.special_allowed",),
    ),
    Bug(
        "special-otherwise",
        "Special tokens are not found as the brief says, by no bug that has a name here.",
        "With allow_special each becomes its id, the longest of those that begin at a place, "
        "and the rest is encoded stretch by stretch.",
        "Look at how the text is split.",
        "special",
        (
            "What stands before, between and after the special tokens in the example?",
            "Print the stretches into which you split it.",
            "Split at a pattern of all special tokens in brackets, the longest first, each with "
            "re.escape.",
        ),
        ("tokenizer.special_allowed", "tokenizer.special_ordinary", "tokenizer.special_ids"),
    ),
)
