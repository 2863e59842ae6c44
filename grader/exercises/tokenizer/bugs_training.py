"""Bugs of `train_bpe`: what is counted, what is chosen, and when it ends."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "word-counts-ignored",
        "Every pre-token counts once, however often it occurs.",
        "The brief counts a pair in every pre-token, as often as that occurs.",
        "Look at where pre-tokens are collected: a set forgets how many there were.",
        "count|Counter|max\\(|sort",
        (
            "What do you know of a pre-token that occurs ten times?",
            "Train on 'ab ab ab xy' with vocab_size 257.",
            "Keep a Counter of pre-tokens, and add its number to the count of each pair.",
        ),
        ("tokenizer.train", "tokenizer.boundaries"),
    ),
    Bug(
        "ties-by-order-met",
        "Of pairs that occur equally often it takes the one that was met first, or last.",
        "The brief asks for the greatest pair, as Python compares tuples of bytes.",
        "Look at the max over the counts: its key says nothing of ties.",
        "count|Counter|max\\(|sort",
        (
            "Which of two equally frequent pairs does max take?",
            "Train on 'ab cd' with vocab_size 257.",
            "max(counts, key=lambda pair: (counts[pair], pair)).",
        ),
        ("tokenizer.ties", "tokenizer.train"),
    ),
    Bug(
        "ties-least",
        "Of pairs that occur equally often it takes the least.",
        "The brief asks for the greatest pair.",
        "Look at the key and the sign with which pairs are compared.",
        "count|Counter|max\\(|sort",
        (
            "In which direction does your comparison of pairs go?",
            "Train on 'ab cd' with vocab_size 257.",
            "Sort by (count, pair) and take the last.",
        ),
        ("tokenizer.ties", "tokenizer.train"),
    ),
    Bug(
        "ties-by-another-order",
        "Of pairs that occur equally often it takes the greatest by another measure: ids, "
        "joined bytes, or characters that stand for bytes.",
        "The brief compares the pairs themselves, as tuples of bytes.",
        "Look at what is compared where counts are equal.",
        "count|Counter|max\\(|sort",
        (
            "Are the things that you compare tuples of bytes?",
            "Train on two pairs that occur once, one with a letter and one with a line break or "
            "an é.",
            "Compare (left, right) with both as bytes: not ids, not left + right, not printable "
            "characters.",
        ),
        ("tokenizer.ties", "tokenizer.train"),
    ),
    Bug(
        "rarest-pair-first",
        "The rarest pair is merged first.",
        "The brief asks for the pair that occurs most often.",
        "Look at min, and at the direction of a sort.",
        "count|Counter|max\\(|sort",
        (
            "Which end of your counts do you take?",
            "Train on 'aaab' with vocab_size 257.",
            "Take max, or the first of most_common().",
        ),
        ("tokenizer.train", "tokenizer.boundaries"),
    ),
    Bug(
        "overlaps-counted-once",
        "Pairs that overlap are not all counted.",
        "In aaaa the pair (a, a) stands at three places, and each counts.",
        "Look at the loop that counts pairs: does it step over some, or use a set?",
        "count|Counter|max\\(|sort",
        (
            "How many neighbours has 'aaaa'?",
            "Print the counts for 'aaaa'.",
            "Count every pair of zip(word, word[1:]).",
        ),
        ("tokenizer.overlaps", "tokenizer.train"),
    ),
    Bug(
        "merged-from-the-right",
        "A pair is merged from right to left.",
        "The brief merges from left to right: a a a becomes aa a.",
        "Look at the direction of the loop that merges.",
        "merge|range\\(|while",
        (
            "What becomes of 'aaa'?",
            "Train on 'aaab' with vocab_size 258.",
            "Go from the left; after a merge step over both symbols.",
        ),
        ("tokenizer.overlaps", "tokenizer.train"),
    ),
    Bug(
        "merged-at-one-place",
        "A pair is merged at one place of a word only.",
        "The brief merges it everywhere.",
        "Look at the loop that merges: does it go on after the first place?",
        "merge|break|index",
        (
            "What is left of 'abab' after (a, b) is merged?",
            "Train on 'abab' with vocab_size 258.",
            "Go on through the whole word after each place.",
        ),
        ("tokenizer.train", "tokenizer.boundaries"),
    ),
    Bug(
        "pair-counts-not-updated",
        "Pairs are counted once, and not again after a merge.",
        "Each merge makes new symbols, and with them new pairs.",
        "Look at where the counts are made: inside of the loop over merges?",
        "count|Counter|max\\(|sort",
        (
            "Which pairs are there after the first merge?",
            "Train on 'abc abc' with vocab_size 258: the second merge holds the first.",
            "Count again after every merge, or update the counts of the words that changed.",
        ),
        ("tokenizer.train", "tokenizer.boundaries"),
    ),
    Bug(
        "merge-count-off-by-one",
        "There is one merge too many, or one too few.",
        "The brief asks for vocab_size - 256 merges, if there are as many.",
        "Look at the bound of the loop.",
        "range\\(|while|vocab_size",
        (
            "How many merges leave room for 256 bytes?",
            "Print len(train_bpe(text, 256)) and with 257.",
            "range(vocab_size - 256).",
        ),
        ("tokenizer.vocab_size", "tokenizer.train"),
    ),
    Bug(
        "bytes-not-in-vocab-size",
        "There are vocab_size merges, the bytes not counted.",
        "vocab_size counts all tokens, the 256 bytes among them.",
        "Look at the bound of the loop.",
        "range\\(|while|vocab_size",
        (
            "Which tokens are there before the first merge?",
            "Print len(train_bpe(text, 257)).",
            "range(vocab_size - 256).",
        ),
        ("tokenizer.vocab_size", "tokenizer.train"),
    ),
    Bug(
        "single-pairs-not-merged",
        "It ends when no pair occurs twice.",
        "The brief merges a pair that occurs once too, while there is room.",
        "Look at the condition that ends the loop.",
        "count|Counter|max\\(|sort|break|< 2",
        (
            "When is nothing left to merge?",
            "Train on 'ab' with vocab_size 300.",
            "Stop only when there are no pairs at all.",
        ),
        ("tokenizer.vocab_size", "tokenizer.train"),
    ),
    Bug(
        "small-vocab-size-accepted",
        "A vocab_size below 256 does not raise ValueError.",
        "The brief asks for it: 256 bytes are always there.",
        "Look at the beginning of train_bpe.",
        "raise|assert|def train_bpe",
        (
            "What should train_bpe(text, 100) give?",
            "Call it with vocab_size 255.",
            "if vocab_size < 256: raise ValueError(…).",
        ),
        ("tokenizer.vocab_size",),
    ),
    Bug(
        "wrong-return-type",
        "What comes back is of another type than the stub says.",
        "The stub says list[tuple[bytes, bytes]], list[int] and str.",
        "Look at the return, and at what the list holds.",
        "return",
        (
            "What does somebody get who calls it?",
            "Print type(x) of the result, and of what it holds.",
            "Return plain lists; merges are tuples of two bytes objects, ids are int.",
        ),
        ("tokenizer.train", "tokenizer.bytes", "tokenizer.round_trip"),
    ),
    Bug(
        "raises-for-a-text",
        "It raises an error for a text that the brief allows.",
        "Any Unicode text can be trained on and encoded, the empty one too.",
        "Look at the line that the error's traceback names.",
        "",
        (
            "What is special about the text in the message?",
            "Call it with that text alone, and print what reaches the line that fails.",
            "Think of the empty text, of pre-tokens of one byte, and of bytes that are in no "
            "merge.",
        ),
        ("tokenizer.boundaries", "tokenizer.bytes", "tokenizer.gpt2"),
    ),
    Bug(
        "merges-otherwise",
        "train_bpe finds other merges, by no bug that has a name here.",
        "The brief says which pair is merged next, and where.",
        "Look at the first merge that differs, and at the counts before it.",
        "count|Counter|max\\(|sort",
        (
            "Which pair should the first merge be that differs?",
            "Print pre-tokens and counts for the text in the example, before each merge.",
            "Write the brief's rules down one by one, and find the one that the example breaks.",
        ),
        ("tokenizer.train", "tokenizer.train_any", "tokenizer.boundaries", "tokenizer.ties"),
    ),
)
