"""Bugs of the model before its first block: tokens and positions."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="no-position",
        names="This is a model whose tokens are not told their positions.",
        asks="The brief asks for positional embeddings, added to those of the tokens.",
        look="Look at the sum that enters the first block, and at how the positions are looked up.",
        code=r"pos|arange|wpe|time|Embedding|emb|wte|token",
        hints=(
            "How does your model tell the first token from the second?",
            "Print the position indices and the vectors that they give.",
            "Look up rows 0 to T - 1 of a learned table and add them to the token embeddings.",
        ),
        checks=("gpt2.positions", "gpt2.equals"),
    ),
    Bug(
        slug="position-not-trainable",
        names="The position embedding is not trained: it is frozen, a buffer, or a fixed formula.",
        asks="GPT-2 learns its positional embeddings, one vector for each of block_size positions.",
        look="Look at how the position table is made: is it a parameter that wants a gradient?",
        code=r"pos|arange|wpe|time|requires_grad|register_buffer|Parameter",
        hints=(
            "Which paper had fixed sinusoids, and which learned its positions?",
            "Print (name, p.requires_grad) for all parameters: is the position table among them?",
            "Use nn.Embedding(block_size, embed_dim), or an nn.Parameter of that shape.",
        ),
        checks=("gpt2.positions",),
    ),
    Bug(
        slug="position-off-by-one",
        names="The positions are not counted 0, 1, 2, …, so two of them can share a row.",
        asks="GPT-2 gives position t row t of the table, from 0 to T - 1, each a row of its own.",
        look="Look at the arange that makes the positions, and for a clamp or a // behind it.",
        code=r"pos|arange|wpe|time",
        hints=(
            "Which row of the table belongs to the first token, and which to the last?",
            "Print the position indices for T = block_size: are they all different?",
            "Use torch.arange(T): it starts at 0, and no clamp is needed.",
        ),
        checks=("gpt2.positions", "gpt2.equals"),
    ),
    Bug(
        slug="position-reversed",
        names="The positions run backwards: the last token of the sequence gets position 0.",
        asks="GPT-2 counts from the first token on: position t is t, however long the sequence is.",
        look="Look at the arange or flip that makes the position indices.",
        code=r"pos|arange|wpe|time|flip",
        hints=(
            "Does the position of a token change when another one follows it?",
            "Print the position indices for T = 3 and for T = 4.",
            "Count upwards from 0 with torch.arange(T).",
        ),
        checks=("gpt2.positions", "gpt2.causal", "gpt2.equals"),
    ),
    Bug(
        slug="position-depends-on-t",
        names="The positions are counted from the end: from that of the sequence or of the table.",
        asks="GPT-2 counts from the first token on, so that position t is row t of the table.",
        look="Look for block_size or T as an offset in the position indices, or for a slice [-T:].",
        code=r"pos|arange|wpe|time",
        hints=(
            "Which row of the table does the first token get, for short and for long sequences?",
            "Print the position indices for T = 1 and for T = block_size.",
            "Use the first T rows of the table, 0 to T - 1, not the last ones.",
        ),
        checks=("gpt2.positions", "gpt2.causal", "gpt2.equals"),
    ),
    Bug(
        slug="position-multiplied",
        names="The position embedding is multiplied into the token embedding.",
        asks="The brief asks for token + positional embeddings: their sum.",
        look="Look at the line where the two embeddings meet.",
        code=r"pos|arange|wpe|time|Embedding|emb|wte|token",
        hints=(
            "How are the two embeddings put together in GPT-2?",
            "Set the position table to zero: the token embeddings should come through unchanged.",
            "Add them; the position vectors are the same for every sequence of the batch.",
        ),
        checks=("gpt2.positions", "gpt2.equals"),
    ),
    Bug(
        slug="position-uses-batch-index",
        names="The positions depend on which sequence of the batch it is.",
        asks="GPT-2 numbers the tokens from 0 to T - 1, in every sequence of the batch alike.",
        look="Look at which axis of idx the position indices are made from.",
        code=r"pos|arange|wpe|time",
        hints=(
            "Should a sequence have other positions as the second of a batch than as the first?",
            "Print the position indices for idx of shape (2, 3).",
            "Take T from idx.shape[1], and give every sequence of the batch torch.arange(T).",
        ),
        checks=("gpt2.positions", "gpt2.causal", "gpt2.equals"),
    ),
    Bug(
        slug="position-skips-padding",
        names="One of the token indices is not counted when positions are numbered.",
        asks="GPT-2 numbers all tokens, 0 to T - 1; no index is padding unless the brief says so.",
        look="Look at how the position indices are made, for a comparison with 0 or a cumsum.",
        code=r"pos|arange|wpe|cumsum|!=|ne\(|pad",
        hints=(
            "Which token of the vocabulary stands for padding, according to the brief?",
            "Print the position indices for idx = [[0, 1, 0, 2]].",
            "Use torch.arange(T) for every sequence, whatever its tokens are.",
        ),
        checks=("gpt2.positions", "gpt2.equals"),
    ),
    Bug(
        slug="position-table-of-vocab-size",
        names="The position table has vocab_size rows, not block_size.",
        asks="The brief allows up to block_size tokens, each of which needs a position of its own; "
        "with block_size above vocab_size there are too few rows.",
        look="Look at the first argument with which the position table is made.",
        code=r"pos|wpe|Embedding",
        hints=(
            "How many different positions are there, and how many different tokens?",
            "Run GPT2 with vocab_size = 9, block_size = 130 and T = 130.",
            "nn.Embedding(block_size, embed_dim) for positions.",
        ),
        checks=("gpt2.positions", "gpt2.shape"),
    ),
    Bug(
        slug="position-table-too-small",
        names="The position table has fewer rows than block_size, so long sequences fail.",
        asks="The brief allows up to block_size tokens, each of which needs a position of its own.",
        look="Look at the number of rows with which the position table is made.",
        code=r"pos|arange|wpe|time",
        hints=(
            "What is the longest sequence that your model takes?",
            "Run the model with T = block_size, for a block_size other than that of the example.",
            "Make the table with block_size rows and embed_dim columns.",
        ),
        checks=("gpt2.positions", "gpt2.shape"),
    ),
    Bug(
        slug="token-embedding-frozen",
        names="The token embedding is frozen: training never changes it.",
        asks="GPT-2 learns its token embeddings along with all other weights.",
        look="Look for requires_grad=False, a buffer, or Embedding.from_pretrained, which freezes.",
        code=r"Embedding|emb|wte|token|requires_grad",
        hints=(
            "Which of your parameters will an optimizer change?",
            "Print (name, p.requires_grad) for all parameters.",
            "Use plain nn.Embedding(vocab_size, embed_dim); from_pretrained needs freeze=False.",
        ),
        checks=("gpt2.tokens",),
    ),
    Bug(
        slug="embedding-scaled",
        names="The embeddings or the logits are scaled by a factor such as √embed_dim.",
        asks=(
            "GPT-2 takes token embeddings and logits as they are; the factor is that of the "
            "original Transformer of 2017."
        ),
        look="Look for a sqrt next to the embeddings or next to the head.",
        code=r"Embedding|emb|wte|token|sqrt|embed_dim",
        hints=(
            "Do the rows of the token table reach the first block unchanged?",
            "Set the position table to zero and compare the first block's input with the table.",
            "Add token and position embedding without a factor, and return the head's output "
            "without one.",
        ),
        checks=("gpt2.tokens", "gpt2.logits", "gpt2.equals"),
    ),
    Bug(
        slug="tied-position-token",
        names="The positions are looked up in the token table.",
        asks="GPT-2 has two learned tables: one of vocab_size rows, and one of block_size rows.",
        look="Look at which table is given the position indices.",
        code=r"pos|arange|wpe|time|Embedding|emb|wte|token",
        hints=(
            "Does token number 3 have anything to do with position number 3?",
            "Count the embedding tables of your model, and print their shapes.",
            "Make a second nn.Embedding, of block_size rows, and give the position indices to it.",
        ),
        checks=("gpt2.positions", "gpt2.shape", "gpt2.equals"),
    ),
    Bug(
        slug="vocab-clamp",
        names="The token indices are clamped or wrapped, so that some tokens share an embedding.",
        asks="The brief allows all indices in [0, vocab_size); GPT-2 has an embedding for each.",
        look="Look for a clamp, a min or a % on idx before the look-up.",
        code=r"Embedding|emb|wte|token|clamp|min|%|vocab",
        hints=(
            "Does your model tell all tokens of the vocabulary apart?",
            "Compare model(idx) for idx = vocab_size - 1 and for idx = vocab_size - 2.",
            "Give idx to the token table as it comes: the brief promises that it is in range.",
        ),
        checks=("gpt2.tokens", "gpt2.equals"),
    ),
    Bug(
        slug="tokens-of-16-bits",
        names="Token indices are kept in 16 bits, which are too few for a real vocabulary.",
        asks="The brief allows all indices in [0, vocab_size); GPT-2 has 50,257 tokens.",
        look="Look for int16, short or a view as another dtype on idx.",
        code=r"int16|short|dtype|idx",
        hints=(
            "How large can a token index be?",
            "Run the model with vocab_size = 40_000 on the token 39_999.",
            "Leave idx as it comes: int64.",
        ),
        checks=("gpt2.tokens",),
    ),
    Bug(
        slug="positions-clamped",
        names="Late positions share a row of the position table.",
        asks="The brief allows up to block_size tokens, each with a position of its own.",
        look="Look for a clamp, a min or a % on the positions.",
        code=r"pos|arange|clamp|min|%",
        hints=(
            "Does the model tell all positions of a long sequence apart?",
            "Print the positions that are looked up for T = block_size = 1,030.",
            "Look up position t in row t, however long the sequence is.",
        ),
        checks=("gpt2.positions",),
    ),
)
