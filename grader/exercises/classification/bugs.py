"""Bugs of `GPT2Classifier`: what its class logits are read from."""

from __future__ import annotations

from grader.bug import Bug

_READ = r"lengths|arange|gather|\[:, ?-1\]|hidden|select"

BUGS: tuple[Bug, ...] = (
    Bug(
        "reads-padding",
        "The class logits are read from the last column, which is padding in shorter rows.",
        "The brief asks for the hidden state at the last real token of every row.",
        "Look for [:, -1] on the hidden states.",
        _READ,
        (
            "Which token stands in the last column of a short row?",
            "Print idx[b, -1] and idx[b, lengths[b] - 1] for a row with padding.",
            "Take hidden[rows, lengths - 1] with rows = torch.arange(B).",
        ),
        (
            "classification.position",
            "classification.padding",
        ),
    ),
    Bug(
        "reads-first-token",
        "The class logits are read from the first token, as with BERT's [CLS].",
        "The brief asks for the hidden state at the last real token of every row. The "
        "first one has seen nothing but itself.",
        "Look for [:, 0] on the hidden states.",
        _READ,
        (
            "How much of the text has the first position seen?",
            "Change the last real token: do the class logits move?",
            "Take hidden[rows, lengths - 1]: in a causal model only the last has seen all.",
        ),
        ("classification.position",),
    ),
    Bug(
        "reads-after-last-token",
        "The class logits are read one position after the last real token.",
        "The brief asks for the hidden state at the last real token of every row. With "
        "lengths from 1 on that is position lengths - 1.",
        "Look at the index: is it lengths, without the - 1?",
        _READ,
        (
            "At which index is the last of n tokens?",
            "Print the index that you use for lengths = 1.",
            "Use lengths - 1, and no clamp to keep it inside.",
        ),
        (
            "classification.position",
            "classification.padding",
        ),
    ),
    Bug(
        "reads-before-last-token",
        "The class logits are read one position before the last real token.",
        "The brief asks for the hidden state at the last real token of every row. With "
        "lengths from 1 on that is position lengths - 1.",
        "Look at the index: is one taken off twice?",
        _READ,
        (
            "At which index is the last of n tokens?",
            "Change the last real token alone: do the class logits move?",
            "Use lengths - 1, once.",
        ),
        ("classification.position",),
    ),
    Bug(
        "averages-hidden-states",
        "The class logits are a linear map of a sum or mean over positions.",
        "The brief asks for the hidden state at the last real token of every row. One "
        "position, and no pooling.",
        "Look for mean(1) or sum(1) on the hidden states.",
        r"mean|sum|pool|lengths",
        (
            "Which single position has seen all of the text?",
            "Print the hidden states of a row, and what you make of them.",
            "Pick hidden[rows, lengths - 1] in place of a mean.",
        ),
        ("classification.position",),
    ),
    Bug(
        "max-pools-hidden-states",
        "The class logits are a linear map of the largest values over positions.",
        "The brief asks for the hidden state at the last real token of every row. One "
        "position, and no pooling.",
        "Look for max(1) or amax on the hidden states.",
        r"max|pool|lengths",
        (
            "Which single position has seen all of the text?",
            "Print the hidden states of a row, and what you make of them.",
            "Pick hidden[rows, lengths - 1] in place of a maximum.",
        ),
        ("classification.position",),
    ),
    Bug(
        "one-length-for-all-rows",
        "The length of one row decides for all rows of the batch.",
        "The brief gives every row a length of its own.",
        "Look for lengths[0], min() or max() where a position is picked.",
        r"lengths|max\(|min\(|item",
        (
            "How many positions do you pick for a batch of three rows?",
            "Classify two rows of different lengths, together and one by one.",
            "Index with the whole tensor: hidden[torch.arange(B), lengths - 1].",
        ),
        (
            "classification.position",
            "classification.rows",
        ),
    ),
    Bug(
        "rows-out-of-order",
        "The rows of the class logits are in another order than those of idx.",
        "The brief asks for row b of the result to be about row b of idx.",
        "Look for a sort, and whether its order is undone.",
        r"sort|order|flip|perm|index",
        (
            "Which text is row 0 of your result about?",
            "Classify a batch with lengths 1, 3, 2, and then its rows one by one.",
            "After a sort, put the result back with order.argsort(), or do not sort.",
        ),
        (
            "classification.position",
            "classification.rows",
        ),
    ),
    Bug(
        "lengths-from-padding-tokens",
        "The last token is told from the tokens themselves, such as by counting those "
        "that are not 0.",
        "The brief says that padding may be any tokens, which may be real ones too: "
        "lengths alone tell.",
        "Look for idx != 0, idx == pad, or an argmax of idx.",
        r"!= ?|== ?|argmax|nonzero|count|pad",
        (
            "Is token 0 always padding?",
            "Classify a text with token 0 in its middle, and one padded with 7.",
            "Use the argument lengths: position lengths - 1.",
        ),
        (
            "classification.position",
            "classification.padding",
        ),
    ),
    Bug(
        "normed-again",
        "The hidden state is normalised a second time before the linear map.",
        "The brief asks for a linear map of the final-normed state, and nothing between"
        " but dropout.",
        "Look for a LayerNorm in the classifier, or the backbone's own used again.",
        r"[Nn]orm",
        (
            "How often is the last hidden state normalised?",
            "Print what goes into your linear layer, and what the backbone's final norm gives.",
            "Give the output of the final norm to nn.Linear as it is.",
        ),
        ("classification.position",),
    ),
    Bug(
        "reads-token-logits",
        "The linear map reads token logits, not hidden states.",
        "The brief asks for the state as it would go into the head for tokens, of width embed_dim.",
        "Look at what the backbone's forward gives: has it embed_dim channels?",
        r"gpt2\(|backbone\(|Linear|head|vocab",
        (
            "How wide is what your linear layer reads?",
            "Print the shape of the linear layer's input.",
            "Get the state before the head: replace the head by nn.Identity(), catch its "
            "input with a hook, or give your GPT2 a method for it.",
        ),
        ("classification.position",),
    ),
    Bug(
        "softmax-on-class-logits",
        "The result is probabilities or their logarithms, not logits.",
        "The brief asks for a linear map; cross-entropy takes the softmax itself.",
        "Look for softmax or log_softmax in forward.",
        r"softmax|log\(",
        (
            "Do your class logits sum to something special?",
            "Print result.exp().sum(-1) and result.sum(-1).",
            "Return the output of the linear layer as it is.",
        ),
        ("classification.position",),
    ),
    Bug(
        "class-head-not-linear",
        "Between the hidden state and the class logits stands more than one linear map.",
        "The brief asks for one linear map, and nothing else between but dropout.",
        "Look for an activation, a norm or a second layer in the head.",
        r"Tanh|tanh|relu|ReLU|GELU|gelu|Sequential|sigmoid|[Nn]orm|Linear",
        (
            "What happens to your class logits when the head's weights are doubled?",
            "Print the layers between hidden state and class logits.",
            "One nn.Linear(embed_dim, num_classes).",
        ),
        ("classification.position",),
    ),
    Bug(
        "reads-before-final-norm",
        "The hidden state is read before the backbone's final norm.",
        "The brief asks for the state after the final norm.",
        "Look at what is applied after the last block.",
        r"block|norm|ln_f|hidden",
        (
            "What does your GPT2 do between the last block and its head?",
            "Print mean and deviation of what goes into your linear layer.",
            "Apply the backbone's final norm to the output of the last block.",
        ),
        ("classification.position",),
    ),
    Bug(
        "class-logits-at-every-position",
        "There are class logits for every position: (B, T, num_classes).",
        "The brief asks for one row of class logits for each sequence, from its last real token.",
        "Look at whether forward uses lengths.",
        _READ,
        (
            "How many answers does a text get?",
            "Print the shape of the result for two texts of three tokens.",
            "Pick hidden[rows, lengths - 1] before the linear layer.",
        ),
        ("classification.shape",),
    ),
    Bug(
        "padding-matters",
        "What stands after the last real token changes the class logits.",
        "The brief says that padding never matters.",
        "Look at whatever reads tokens or states after position lengths - 1.",
        _READ,
        (
            "Which tokens has the position that you read seen?",
            "Replace the padding by other tokens: what changes?",
            "Read position lengths - 1 alone; causal attention keeps the padding out of it.",
        ),
        ("classification.padding",),
    ),
    Bug(
        "long-texts-read-wrongly",
        "Short texts are read as the brief asks, and long ones are not.",
        "The brief asks for any 1 <= T <= block_size.",
        "Look for small integer types, constants and special cases.",
        r"int8|uint8|byte|short|[0-9]{2,}|if ",
        (
            "What is different with more than a hundred tokens?",
            "Compare the position that you read with lengths - 1, for T = 130.",
            "Keep lengths in int64, and read position lengths - 1.",
        ),
        ("classification.position",),
    ),
)
