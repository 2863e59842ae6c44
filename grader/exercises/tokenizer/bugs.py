"""Bugs of `BPETokenizer.encode`: symbols, merges, ids, and the time it takes."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "ids-otherwise",
        "encode gives other ids, by no bug that has a name here.",
        "The brief says how a text is cut, merged and numbered.",
        "Look at the steps for the text in the example: pre-tokens, bytes, merges, ids.",
        "def encode|rank|merge",
        (
            "At which step does it part from the brief?",
            "Print the bytes of each id that should come, and of each that does.",
            "Check the steps one by one: pre-tokens, their bytes, the merge of least rank, the "
            "ids.",
        ),
        ("tokenizer.gpt2", "tokenizer.gpt2_any", "tokenizer.merge_order", "tokenizer.bytes"),
    ),
    Bug(
        "characters-not-bytes",
        "Symbols are characters, and not bytes.",
        "The brief takes each pre-token as its UTF-8 bytes.",
        "Look at where a pre-token becomes a list.",
        "list\\(|encode\\(|for \\w+ in",
        (
            "How many symbols is 'é' at first?",
            "Encode 'é' without merges: there are two ids.",
            "piece.encode('utf-8'), and one symbol for each byte.",
        ),
        ("tokenizer.bytes", "tokenizer.boundaries"),
    ),
    Bug(
        "merges-left-to-right",
        "The first pair from the left that is a merge is merged, whatever its rank.",
        "The brief makes the earliest merge in the list first.",
        "Look at how the pair to merge is chosen.",
        "def encode|rank|merge",
        (
            "Which of two merges that fit goes first?",
            "With merges [(b, c), (a, b)] encode 'abc'.",
            "Take the pair with the least rank of all that are there.",
        ),
        ("tokenizer.merge_order", "tokenizer.gpt2"),
    ),
    Bug(
        "longest-match",
        "The longest token that fits is taken from the left; merges are not made.",
        "The brief makes merges by their order in the list.",
        "Look at how tokens are found in a pre-token.",
        "def encode|rank|merge|startswith|len\\(",
        (
            "Is the longest token always what merges lead to?",
            "With merges [(b, c), (a, b)] encode 'abc': it is a and bc.",
            "Begin with bytes, and merge the pair with the least rank, again and again.",
        ),
        ("tokenizer.merge_order", "tokenizer.gpt2"),
    ),
    Bug(
        "latest-merge-first",
        "The latest of the merges that fit is made first.",
        "The brief makes the earliest in the list first.",
        "Look at max and min over ranks.",
        "def encode|rank|merge",
        (
            "Is a small rank early or late?",
            "With merges [(b, c), (a, b)] encode 'abc'.",
            "min over ranks.",
        ),
        ("tokenizer.merge_order", "tokenizer.gpt2"),
    ),
    Bug(
        "merges-not-repeated",
        "Merging ends too early.",
        "The brief goes on until no merge fits.",
        "Look at the loop around merging.",
        "def encode|rank|merge|while|break",
        (
            "Which pairs are there after the first merge?",
            "With merges [(a, b), (ab, c)] encode 'abc abab'.",
            "while there is a pair of neighbours that is a merge.",
        ),
        ("tokenizer.merge_order", "tokenizer.gpt2"),
    ),
    Bug(
        "no-merges",
        "No merge is made.",
        "The brief merges until no merge fits.",
        "Look at whether the keys of the ranks are what is looked up.",
        "def encode|rank|merge",
        (
            "Does any pair of yours ever equal a merge?",
            "With merges [(a, b)] encode 'ab'.",
            "Look up (left, right), both bytes, in a dict of merges to ranks.",
        ),
        ("tokenizer.merge_order", "tokenizer.gpt2"),
    ),
    Bug(
        "bytes-in-plain-order",
        "Bytes have their own number as id.",
        "GPT-2 gives the ids 0 to 187 to the bytes that print, and the others to the rest.",
        "Look at the ids of single bytes.",
        "range\\(|enumerate|ids?\\b",
        (
            "Which id has the byte 33?",
            "Encode '!' without merges: it is 0.",
            "33–126, 161–172, 174–255 first, then the others.",
        ),
        ("tokenizer.bytes", "tokenizer.gpt2"),
    ),
    Bug(
        "ids-off-by-one",
        "Ids are off by one.",
        "Bytes have 0 to 255, the first merge 256.",
        "Look at where counting begins.",
        "range\\(|enumerate|ids?\\b",
        (
            "Which id has the first merge?",
            "With merges [(a, b)] encode 'ab': it is 256.",
            "256 + rank for merges; 256 + len(merges) + n for special tokens.",
        ),
        ("tokenizer.merge_order", "tokenizer.bytes", "tokenizer.special_ids"),
    ),
    Bug(
        "latin-1",
        "Text is taken as Latin-1.",
        "The brief takes UTF-8.",
        "Look at encode( and decode(, and at ord and chr.",
        "latin|encode\\(|decode\\(|ord\\(|chr\\(",
        (
            "How many bytes has 'é' in UTF-8?",
            "Encode 'é' and '漢' without merges.",
            "text.encode('utf-8').",
        ),
        ("tokenizer.bytes", "tokenizer.gpt2"),
    ),
    Bug(
        "remembers-wrongly",
        "What was encoded before changes what comes now.",
        "The same text always has the same ids.",
        "Look at caches: what is the key, and may what they hold be changed?",
        "cache|memo|self\\.\\w+\\[",
        (
            "What does your tokenizer remember of a text?",
            "Encode the texts of the example one by one, with a new tokenizer for each, and "
            "compare.",
            "Use the whole pre-token as key, and do not hand out the list that is kept.",
        ),
        ("tokenizer.gpt2", "tokenizer.bytes"),
    ),
    Bug(
        "tokenizers-share-state",
        "Two tokenizers share what each should have for itself.",
        "Tokenizers have nothing to do with one another.",
        "Look for class attributes, module globals, caches and default arguments.",
        "cache|global|^    \\w+ ?[:=]|=\\{\\}|=\\[\\]",
        (
            "What do two tokenizers with different merges have in common?",
            "Make two and encode the same text with both.",
            "Make everything in __init__, on self.",
        ),
        ("tokenizer.independent",),
    ),
    Bug(
        "given-lists-changed",
        "A list that the caller gave is changed.",
        "The brief asks that lists that are given stay as they are.",
        "Look for sort, reverse, pop, clear, append and += on what was given.",
        "\\.sort\\(|\\.reverse\\(|\\.pop\\(|\\.clear\\(|\\.append\\(|\\+=|del ",
        (
            "What does the caller find in the list afterwards?",
            "Make two tokenizers of one list of special tokens, and print the list before and "
            "after.",
            "sorted(special_tokens, …) makes a new list; list(merges) copies one.",
        ),
        ("tokenizer.independent",),
    ),
    Bug(
        "quadratic-time",
        "The time grows with the square of the text's length.",
        "The brief asks for about twice the time for a text twice as long.",
        "Look for what is done to the whole text, or to all ids, for every token.",
        "while|\\+ |pop\\(|text\\[|insert",
        (
            "What does each step of your loop touch?",
            "Time encode on 'ab cd ' * 1000 and * 16000.",
            "Merge inside of one pre-token at a time, find pre-tokens with finditer, and "
            "collect ids with extend.",
        ),
        ("tokenizer.time",),
    ),
    Bug(
        "long-texts-otherwise",
        "A long text is encoded otherwise than its parts.",
        "Nothing in the brief hangs on the length of a text.",
        "Look for limits, recursion and blocks.",
        "\\d{3,}|limit|chunk",
        (
            "What happens after some thousand characters?",
            "Compare encode(text * 5000) with encode(text) * 5000 for text = ' ab'.",
            "Go through all pre-tokens, however many.",
        ),
        ("tokenizer.time",),
    ),
)
