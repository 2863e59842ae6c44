"""Bugs of `CachedGPT2`: of positions and masks."""

from __future__ import annotations

from grader.bug import Bug

_POSITION = r"arange|position|pos_emb|wpe|offset|start"
_MASK = r"mask|tril|triu|is_causal|inf|visible"
PIECES = ("kv_cache.one_by_one", "kv_cache.beginning", "kv_cache.several")


def seen_in_pieces(
    slug: str,
    names: str,
    asks: str,
    look: str,
    code: str,
    hints: tuple[str, str, str],
    checks: tuple[str, ...] = PIECES,
) -> Bug:
    """A cause that shows in any pieces, unless said otherwise."""
    return Bug(slug, names, asks, look, code, hints, checks)


BUGS: tuple[Bug, ...] = (
    seen_in_pieces(
        "position-not-offset",
        "Positions of new tokens begin at 0 again, whatever the cache has read.",
        "The brief asks for the logits of the whole text: the first new token stands behind the "
        "past ones.",
        "Look at the arange that positions are made of.",
        _POSITION,
        (
            "Where in the text does the new token stand?",
            "Print the positions that you look up in a step with a cache of three tokens.",
            "positions = torch.arange(past, past + T), past being the length of the cached keys.",
        ),
    ),
    seen_in_pieces(
        "position-offset-off-by-one",
        "Positions after a cache are off by one.",
        "The brief asks for the logits of the whole text: after P tokens comes position P.",
        "Look at where the length of the past is added to the positions.",
        _POSITION,
        (
            "At which position does the text go on after three tokens?",
            "Print the positions of a piece after a cache of three tokens.",
            "Positions count from 0: the new ones are P, P + 1, …, P + T - 1.",
        ),
    ),
    seen_in_pieces(
        "position-offset-counts-pieces",
        "Positions go on by one for each call, however many tokens it had.",
        "The brief asks for any pieces: the past is as long as the tokens that were read.",
        "Look at what is counted up for the positions.",
        _POSITION,
        (
            "How far does the text get in a call with three tokens?",
            "Read three tokens at once, then one, and print its position.",
            "Count tokens: past + T, or the length of the cached keys.",
        ),
    ),
    seen_in_pieces(
        "position-same-in-a-piece",
        "All new tokens of a piece get the same position.",
        "The brief asks for any pieces: each new token has a position of its own.",
        "Look at the positions when there is a cache and more than one new token.",
        _POSITION,
        (
            "Where do the second and the third token of a piece stand?",
            "Print the positions of a piece of three tokens after a cache.",
            "torch.arange(past, past + T), not past alone.",
        ),
    ),
    seen_in_pieces(
        "mask-upper-left",
        "New token t sees keys 0 to t, as if there were no past: the mask is aligned at the wrong "
        "corner.",
        "The brief asks for the logits of the whole text: new token t sees the whole past too.",
        "Look at which rows of the mask are taken, and for is_causal=True.",
        _MASK,
        (
            "Which rows of the whole text's mask are those of the new tokens?",
            "Print the mask (T, P + T) for P = 2 and T = 3.",
            "Take the last T rows of P + T: mask[P : P + T, : P + T].",
        ),
    ),
    seen_in_pieces(
        "mask-missing-with-a-past",
        "With a cache, new tokens see one another without a mask.",
        "The brief asks for pieces of any length: among themselves new tokens are causal.",
        "Look at what happens to the mask when there is a cache.",
        _MASK,
        (
            "May the first of three new tokens see the third?",
            "Read a piece of three tokens after a cache, change its last token, and compare.",
            "A mask is needless for one new token only; for T of them it is (T, P + T).",
        ),
    ),
    seen_in_pieces(
        "mask-off-by-one-with-a-past",
        "With a cache, the mask is off by one: a new token sees one key too many or too few.",
        "The brief asks that new token t see keys 0 to P + t, itself included.",
        "Look at the diagonal and at the offset of the mask.",
        _MASK,
        (
            "Does a new token see itself, and all of the past?",
            "Print the mask (T, P + T) for P = 2 and T = 2.",
            "torch.ones(T, P + T).tril(diagonal=P).",
        ),
    ),
    seen_in_pieces(
        "mask-hides-the-new",
        "With a cache, a new token sees the past and itself, but not the new ones before it.",
        "The brief asks for any pieces: new token t sees all new tokens up to itself.",
        "Look at the mask among the new tokens.",
        _MASK,
        (
            "Which of the new tokens does the last one see?",
            "Print the mask (T, P + T) for P = 2 and T = 3.",
            "torch.ones(T, P + T).tril(diagonal=P).",
        ),
    ),
)
