"""Bugs of `CachedGPT2`: of what is kept, what comes back, and what is refused."""

from __future__ import annotations

from grader.bug import Bug
from grader.exercises.kv_cache.bugs import PIECES, seen_in_pieces

_CACHE = r"cache|past|cat\("

BUGS: tuple[Bug, ...] = (
    seen_in_pieces(
        "past-not-attended",
        "New tokens do not attend to the past, though it is there.",
        "The brief asks for the logits of the whole text.",
        "Look at which keys and values go into the scores.",
        _CACHE,
        (
            "Which keys meet the new queries?",
            "Print the shape of the scores in a step with a cache of three tokens.",
            "Attend to the past's keys and values and the new ones together: (B, H, T, P + T).",
        ),
    ),
    seen_in_pieces(
        "cache-overwritten",
        "The cache that comes back holds the last piece only.",
        "The brief asks for a cache of all that was read.",
        "Look at what is put into the new cache: before or after the past was joined to it?",
        _CACHE,
        (
            "What is in the cache after two calls?",
            "Print the shape of the cached keys after each of three calls.",
            "Keep the joined keys and values, (B, H, P + T, D), not the new ones.",
        ),
    ),
    seen_in_pieces(
        "cache-not-grown",
        "The cache that comes back is that of the first piece, whatever was read since.",
        "The brief asks for a cache of all that was read.",
        "Look at what is returned when a cache was given.",
        _CACHE,
        (
            "What is in the cache after two calls?",
            "Print the shape of the cached keys after each of three calls.",
            "Return the joined keys and values in every call, not only in the first.",
        ),
    ),
    seen_in_pieces(
        "cache-wrong-order",
        "New keys and values are put before the past ones.",
        "The brief asks for the logits of the whole text, in which the past comes first.",
        "Look at the order of what is joined.",
        _CACHE,
        (
            "In which order do cached keys stand?",
            "Read two tokens one by one, and compare the cached keys with those of the whole.",
            "torch.cat([past, new], dim=2), on the axis of time.",
        ),
    ),
    seen_in_pieces(
        "cache-keys-for-values",
        "The cache holds the keys where it should hold the values.",
        "The brief asks for the logits of the whole text: keys give the weights, values what they "
        "mix.",
        "Look at what is put into the new cache.",
        _CACHE,
        (
            "Which two things does a block need of a past token?",
            "Print the sums of the cached keys and of the cached values.",
            "Keep (k, v), two tensors that were projected apart.",
        ),
    ),
    seen_in_pieces(
        "cache-drops-tokens",
        "The cache that comes back lacks some of the tokens that were read.",
        "The brief asks for a cache of all that was read.",
        "Look at slices of keys and values on their way into the cache.",
        _CACHE,
        (
            "How long is the cache after a piece of three tokens?",
            "Print the shape of the cached keys after pieces of several tokens.",
            "Keep the keys and values of all tokens: P + T after each call.",
        ),
    ),
    seen_in_pieces(
        "cache-layers-mixed",
        "Blocks get one another's keys and values.",
        "The brief asks for the logits of the whole text: each block has a past of its own.",
        "Look at how a block finds its part of the cache, and at the order of the parts.",
        _CACHE + r"|enumerate|zip|reversed|append|pop",
        (
            "Which block made the keys that this block gets?",
            "Print, for each block, the sum of the keys that it keeps and of those that it gets.",
            "Keep one entry for each block, in order, and give block i entry i.",
        ),
    ),
    seen_in_pieces(
        "cache-changed-in-place",
        "A cache changes when others go on from it, or when a call fails.",
        "The brief asks that earlier caches stay valid.",
        "Look for what is written in place: append, +=, assignments to slices, a shared buffer.",
        _CACHE + r"|append|copy_|\[.*\] =|\+=",
        (
            "Who else holds the tensors and lists that you write to?",
            "Go on from one cache twice with different tokens, and compare with the whole texts.",
            "Make new tensors and new lists in every call, as torch.cat does; a buffer that is "
            "written to in place has to be copied first.",
        ),
        ("kv_cache.branches", "kv_cache.block_size"),
    ),
    seen_in_pieces(
        "cache-in-module",
        "Something is remembered in the module itself, from call to call.",
        "The brief asks that the cache be all that is remembered.",
        "Look for keys, values or lengths on self.",
        r"self\.\w*(cache|past|keys|values|len|pos)\w*",
        (
            "What does a text get to know of the one that was read before it?",
            "Call the model twice without a cache on the same text, and compare.",
            "Return all that is to be remembered, and keep nothing on self.",
        ),
        ("kv_cache.in_turns", "kv_cache.one_by_one"),
    ),
    seen_in_pieces(
        "cache-recomputes",
        "A step computes again what was computed for the past tokens.",
        "The brief asks for the work of the new tokens only; what may grow is that they attend to "
        "more.",
        "Look at what goes through projections and MLP when there is a cache.",
        _CACHE + r"|proj|qkv|mlp|forward",
        (
            "What is the use of the cache?",
            "Print the shape of what goes into each nn.Linear in a step after 80 tokens.",
            "Keep keys and values, after their projection, and compute queries of the new tokens "
            "only.",
        ),
        ("kv_cache.work",),
    ),
    seen_in_pieces(
        "cache-not-returned",
        "The forward does not return a tuple of logits and cache.",
        "The brief asks for (logits, cache), with and without a cache given.",
        "Look at every return of forward.",
        r"return",
        (
            "From what is the next call to go on?",
            "Print type(model(idx)), with and without a cache.",
            "return logits, cache at the end of forward, always.",
        ),
        ("kv_cache.signature", "kv_cache.shape"),
    ),
    seen_in_pieces(
        "logits-of-the-past-too",
        "The logits are those of past and new tokens together.",
        "The brief asks for the logits of the new tokens only.",
        "Look at what goes into the head, and at what is returned.",
        r"return|head|cat\(",
        (
            "How many logits does a step with one token need?",
            "Print logits.shape for one token after a cache of three.",
            "Return (B, T, vocab_size) for the T tokens of idx.",
        ),
        ("kv_cache.signature", "kv_cache.shape"),
    ),
    seen_in_pieces(
        "block-size-not-checked",
        "More tokens than block_size are taken, or end in an error of another kind.",
        "The brief asks for a ValueError when past and new tokens together are more.",
        "Look at the beginning of forward.",
        r"raise|block_size|assert",
        (
            "Who finds out that a text is too long?",
            "Read block_size tokens, then one more.",
            'if past + T > self.block_size: raise ValueError(f"…").',
        ),
        ("kv_cache.block_size",),
    ),
    seen_in_pieces(
        "limit-too-low",
        "A text of block_size tokens is refused.",
        "The brief lets past and new tokens be block_size together.",
        "Look at the comparison with block_size.",
        r"raise|block_size|>",
        (
            "How many tokens may past and new ones be together?",
            "Read block_size - 1 tokens, then one more.",
            "if past + T > self.block_size: raise ValueError(…).",
        ),
        ("kv_cache.block_size", *PIECES),
    ),
    seen_in_pieces(
        "not-gpt2",
        "A whole text without a cache does not get GPT-2's logits.",
        "The brief asks for a GPT-2: what is new is only that it can go on.",
        "Look at what differs from your GPT2, in blocks, norms, positions and head.",
        r"",
        (
            "Is it still a GPT-2 when there is no cache?",
            "Load the weights of your GPT2 into it, and compare the logits.",
            "token + position, pre-norm blocks of causal attention and MLP, final norm, head.",
        ),
        ("kv_cache.equals",),
    ),
)
