"""Texts to draw: what tokenizers stumble over, of characters that mean the same everywhere."""

from __future__ import annotations

from hypothesis import strategies as st

# First and last. Letter, number, space or none: libraries and versions of Unicode agree on all.
RANGES = (
    *((0x20, 0x7E), (0x00, 0x1B), (0xA0, 0x17F), (0x386, 0x386), (0x388, 0x38A), (0x3A3, 0x3CE)),
    *((0x300, 0x345), (0x400, 0x482), (0x5D0, 0x5EA), (0x621, 0x63A), (0x64B, 0x652)),
    *((0x660, 0x669), (0x905, 0x939), (0x93E, 0x94D), (0x966, 0x96F), (0xE01, 0xE3A)),
    *((0x2000, 0x200A), (0x200B, 0x2029), (0x202F, 0x202F), (0x2074, 0x2079), (0x20A0, 0x20AC)),
    *((0x2153, 0x2182), (0x2190, 0x21FF), (0x2460, 0x249B), (0x3000, 0x3029), (0x3041, 0x3094)),
    *((0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x10400, 0x10425), (0x1D400, 0x1D454)),
    *((0x1D7CE, 0x1D7FF), (0x1F300, 0x1F64F), (0x20000, 0x2A6D6)),
)
PIECES = (
    *("the", "The", " the", "low", "lower", "world", "it", "I", "x", "A", "don", "re", "s", "ly"),
    *("'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'LL", "'d", "'D", "'", "''", "'x"),
    *("’s", " 's", " '", "s'", "'st", "'rest", "'veil", "don't", "DON'T", "we'Ll"),
    *(" ", " ", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\r\n", "\r", "\t", "\t\t", "\v"),
    *("\xa0", "\xa0 ", " \xa0", "\u3000", "\u2028", "\u2009", "\x85"),
    *("1", "7", "12", "2024", "3.14", "1,000", "x2", "2x", "²", "½", "Ⅷ", "三", "中三", "٣"),
    *("!", "?!", "...", " ...", "_", "a_b", "__", "-", "#", "$", "<|endoftext|>", "%d", "\\"),
    *("é", "e\u0301", "ﬁ", "Å", "Ǆ", "ß", "İ", "ñ", "Привет", "ελ", "שלום", "مرحبا", "नमस्ते", "ไทย"),
    *(
        "日本語",
        "안녕",
        "😀",
        "👍🏽",
        "👩\u200d👩\u200d👧",
        "🇩🇪",
        "❤\ufe0f",
        "\0",
        "\x07",
        "\u200b",
        "\ufeff",
    ),
    *("\U0001d400", "\U00020000", "ª", "ʰ", "aaaa", "Ġ", "Â", "\xad"),
)


def pieces() -> st.SearchStrategy[str]:
    """A stumbling block, or any character."""
    each = [st.integers(*bounds).map(chr) for bounds in RANGES]
    return st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES), st.one_of(each))


def texts(longest: int = 8) -> st.SearchStrategy[str]:
    """A text of up to so many pieces."""
    return st.lists(pieces(), max_size=longest).map("".join)


# Where one bug after another shows; for naming them.
PROBES = (
    "",
    "low lower lowest, lower still",
    "don't DON'T we've We'LL he'd I'm you're 's 'S it’s 'rest 'x",
    "a  b   c \n d\n\n e\r\nf\rg\t h \xa0i\u3000j\u2028k  ",
    "  two leading",
    " one leading",
    "trailing  \n",
    "x2 2x 1234567 12 3.14 a1b2 ²³ ½ Ⅷ 三 中三 ٣٤",
    "a_b __c _ d-e f.g !? ... ?!x",
    "é e\u0301 ﬁ Å ñ Привет שלום مرحبا नमस्ते ไทย 日本語 안녕",
    "😀 👍🏽 👩\u200d👩\u200d👧 🇩🇪 ❤\ufe0f\0\x07\u200b",
    "The the THE tHe aaaa aaa aa aaaaa",
    "abcabcabcab abababab bcbcbc cab",
    "line one\r\nline two\r\n\r\nline  three ",
    "\ufeffbegins with a mark",
    "the the  the\nthe Paris paris PARIS",
)


# Each for one rule of the pattern: short, so that what is wrong is plain to see.
CUTS = (
    "",
    *("a1a1a1", "x2 2x", "a!a!", "1!1!", "a b a b", "12345 12345", " 1234", "3.14", "a_b a_b"),
    *("don't", "it's", "you're", "we've", "I'm", "he'll", "she'd", "'s", "x's's"),
    *("DON'T", "IT'S", "YOU'RE", "WE'VE", "I'M", "HE'LL", "SHE'D", "We'Ll"),
    *("'rest", "o'clock", "it’s", "a 's", "a 'd b", "''s", "!'s", "1's", "'mm", "'lll"),
    *("a  b", "a   b", "a   ", "   a", "a \n b", "a\nb", "a\n\nb", "a\tb", "\t\ta", "a\r\nb"),
    *(
        "a\n\n  b",
        "  !!",
        "  12",
        " \n",
        "\n ",
        " ",
        "  ",
        "a\xa0b",
        "a \xa0b",
        "\xa0\xa0a",
        "\u3000あ",
    ),
    *(
        "a\u2028b",
        "a\x85b",
        "a \u2009b",
        "aé aé",
        "né три",
        "中三 三中",
        "a² ²a",
        "½1 1½",
        "ⅧX XⅧ",
        "٣٤ a٣",
    ),
    *(
        "e\u0301e\u0301",
        "é",
        "ﬁn",
        "नमस्ते",
        "ไทย",
        "שלום",
        "😀😀a",
        "👩\u200d👧",
        "a\0b",
        "\x07\x07",
        "ªb",
    ),
    *(
        "ʰa",
        "\u200ba",
        "a…b",
        "a!b?c",
        "--a--",
        "The THE the",
        "\U0001d400a",
        "\U00020000a",
        " a",
        " \ta",
    ),
)

# Words that are longer than words are.
LONG = (
    "abcdefghij" * 13,
    "abcdefghij" * 300,
    " the" * 40,
    "-" * 130,
    " " * 70,
    "1234567" * 11,
    "日本" * 30,
)
