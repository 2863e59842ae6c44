"""Bugs of `BPETokenizer.decode`."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "decodes-token-by-token",
        "Each token is made text by itself.",
        "The brief puts all bytes together first: a character may be spread over several tokens.",
        "Look at where bytes become text: inside of the loop?",
        "def decode|decode\\(",
        (
            "What are the bytes of half a character?",
            "Decode the ids of '漢' and '😀'.",
            'b"".join(…) first, then one decode.',
        ),
        ("tokenizer.round_trip",),
    ),
    Bug(
        "decodes-strictly",
        "Bytes that are no UTF-8 raise UnicodeDecodeError.",
        "The brief makes them U+FFFD.",
        "Look at the call of bytes.decode.",
        "def decode|decode\\(",
        (
            "What if a list of ids ends in the middle of a character?",
            "Decode each single id from 128 to 255.",
            "decode('utf-8', errors='replace').",
        ),
        ("tokenizer.bad_bytes",),
    ),
    Bug(
        "bad-bytes-left-out",
        "Bytes that are no UTF-8 are left out.",
        "The brief makes them U+FFFD.",
        "Look at errors= in the call of bytes.decode.",
        "def decode|decode\\(",
        (
            "What should show that something is missing?",
            "Decode [200].",
            "errors='replace', not 'ignore'.",
        ),
        ("tokenizer.bad_bytes",),
    ),
    Bug(
        "bad-bytes-written-otherwise",
        "Bytes that are no UTF-8 become something other than U+FFFD.",
        "The brief makes them U+FFFD.",
        "Look at errors= in the call of bytes.decode.",
        "def decode|decode\\(",
        (
            "Which character stands for what cannot be read?",
            "Decode [200] and print ascii() of it.",
            "errors='replace'.",
        ),
        ("tokenizer.bad_bytes",),
    ),
    Bug(
        "decoded-bytes-as-characters",
        "Bytes come back as the characters that stand for them in GPT-2's files.",
        "The brief asks for the text: bytes read as UTF-8.",
        "Look at where characters are made bytes again.",
        "def decode|decode\\(",
        (
            "What is Ġ?",
            "Decode the ids of ' é'.",
            "Map each character back to its byte, then decode the bytes.",
        ),
        ("tokenizer.round_trip",),
    ),
    Bug(
        "spaces-between-tokens",
        "Spaces are put between tokens.",
        "Tokens have their spaces with them.",
        "Look at the join.",
        "join",
        (
            "Whose are the spaces in the text?",
            "Compare decode(encode('ab cd')) with 'ab cd'.",
            'b"".join(…).',
        ),
        ("tokenizer.round_trip",),
    ),
    Bug(
        "decoded-text-changed",
        "The text is changed after decoding.",
        "decode(encode(text)) is text.",
        "Look at what is done to the text after bytes.decode.",
        "def decode|decode\\(|strip|replace",
        (
            "Is what you return the text that was encoded?",
            "Compare decode(encode(' a \\r\\n')) with ' a \\r\\n'.",
            "Return it as it is.",
        ),
        ("tokenizer.round_trip",),
    ),
    Bug(
        "special-lost-in-decoding",
        "Special tokens are left out of the text.",
        "The brief makes them their text.",
        "Look at how decode treats ids after the merges.",
        "def decode|decode\\(|special",
        (
            "Where is the text of a special token in your table?",
            "Decode the id of a special token.",
            "Put token.encode() into the table of bytes.",
        ),
        ("tokenizer.bad_bytes",),
    ),
    Bug(
        "raises-for-ids",
        "decode raises an error for ids that there are.",
        "All ids from 0 to vocab_size - 1 can be decoded, in any order, and none at all.",
        "Look at the line that the error's traceback names.",
        "def decode|decode\\(",
        (
            "What is special about the ids in the message?",
            "Decode each id by itself, and [].",
            "Look at the table from ids to bytes: has it bytes, merges and special tokens?",
        ),
        ("tokenizer.bad_bytes", "tokenizer.round_trip"),
    ),
    Bug(
        "unknown-ids-accepted",
        "An id that there is not does not raise ValueError.",
        "The brief asks for ValueError below 0, and from vocab_size on.",
        "Look at the look-up of ids: a list takes -1 for its last, a dict raises KeyError.",
        "def decode|decode\\(|raise",
        (
            "What is bytes_of[-1]?",
            "Decode [-1] and [vocab_size].",
            "if not 0 <= id < self.vocab_size: raise ValueError(…).",
        ),
        ("tokenizer.unknown_ids",),
    ),
    Bug(
        "text-otherwise",
        "decode gives another text, by no bug that has a name here.",
        "The brief puts the bytes of all ids together and reads them as UTF-8.",
        "Look at the bytes of the ids in the example.",
        "def decode|decode\\(",
        (
            "Which bytes has each id?",
            "Print the bytes of each id in the example.",
            "b\"\".join(bytes of each id).decode('utf-8', errors='replace').",
        ),
        ("tokenizer.round_trip", "tokenizer.bad_bytes"),
    ),
)
