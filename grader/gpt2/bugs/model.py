"""Bugs of the model from its first block on: layers, final norm, head, logits."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="final-norm-missing",
        names="This is a model without a LayerNorm between the last block and the head.",
        asks=(
            "GPT-2 norms the stream once more after its last block: with pre-normalization, "
            "nothing else has normed it on the way."
        ),
        look="Look at the end of forward: is the final norm made, and is it called?",
        code=r"norm|ln|mean|var|std|eps|Norm|LN|return",
        hints=(
            "What does the head read?",
            "Print the standard deviation over the last axis of what the head receives.",
            "Make one more nn.LayerNorm(embed_dim) and apply it after the last block.",
        ),
        checks=("gpt2.final_norm", "gpt2.equals"),
    ),
    Bug(
        slug="final-norm-twice",
        names="The final norm of this model is applied twice.",
        asks="GPT-2 norms the stream once after its last block, and the head reads the result.",
        look="Look at the end of forward for a second call of the final norm.",
        code=r"norm|ln|Norm|LN|return",
        hints=(
            "How often does the stream pass the final norm on its way to the head?",
            "Count the calls of the final norm in forward, those on one line too.",
            "logits = self.head(self.ln_f(x)), and no norm before it but the blocks' own.",
        ),
        checks=("gpt2.final_norm", "gpt2.equals"),
    ),
    Bug(
        slug="norm-before-blocks",
        names="The final norm of this model is applied before the blocks.",
        asks="GPT-2's blocks read the sum of the embeddings; the final norm is after the last.",
        look="Look at what happens to x between the embeddings and the first block.",
        code=r"norm|ln|Norm|LN|return",
        hints=(
            "Where on the way from tokens to logits does the final norm stand?",
            "Print the standard deviation over the last axis of what the first block receives.",
            "x = token + position; then the blocks; then the final norm; then the head.",
        ),
        checks=("gpt2.final_norm", "gpt2.equals"),
    ),
    Bug(
        slug="blocks-shared",
        names="The layers of this model are one block used several times, with one set of weights.",
        asks="The brief asks for a stack of N blocks; in GPT-2 each one has weights of its own.",
        look="Look at where the blocks are made: how often is TransformerBlock(…) called?",
        code=r"TransformerBlock|ModuleList|Sequential|num_layers|n_layer|blocks|layers|\bfor\b",
        hints=(
            "How many sets of weights do num_layers blocks have?",
            "Count the elements of model.parameters() for num_layers = 1, 2 and 3.",
            "Make a new block at each turn of a comprehension in an nn.ModuleList; "
            "[block] * num_layers repeats a single one.",
        ),
        checks=("gpt2.layers", "gpt2.equals"),
    ),
    Bug(
        slug="blocks-not-registered",
        names="The blocks of this model are kept in a plain list or dict, unseen by torch.",
        asks=(
            "The brief asks for a PyTorch model: the blocks' weights must be among its parameters, "
            "to be trained, saved and moved with it."
        ),
        look="Look at the container that holds the blocks.",
        code=r"TransformerBlock|ModuleList|Sequential|num_layers|n_layer|blocks|layers|\bfor\b",
        hints=(
            "Would an optimizer of model.parameters() train your blocks?",
            "Print the names of model.named_parameters() and look for those of the blocks.",
            "Put the blocks into an nn.ModuleList or an nn.Sequential.",
        ),
        checks=("gpt2.layers",),
    ),
    Bug(
        slug="only-first-block",
        names="The forward of this model runs the first block only.",
        asks="The brief asks for a stack of N blocks: each reads what the one before it gives.",
        look="Look at the loop over the blocks: what is called in it, and where does it end?",
        code=r"TransformerBlock|ModuleList|Sequential|num_layers|n_layer|blocks|layers|\bfor\b",
        hints=(
            "How many blocks take part in your logits?",
            "Print a line in the block's forward and count the lines for num_layers = 3.",
            "Loop over all blocks with x = block(x), and return after the loop, not inside it.",
        ),
        checks=("gpt2.layers", "gpt2.equals"),
    ),
    Bug(
        slug="num-layers-plus-one",
        names="The model runs more blocks than num_layers, or one of them more than once.",
        asks="The brief asks for exactly num_layers blocks, each applied once.",
        look="Look at the bounds of the loops that make and that run the blocks.",
        code=r"TransformerBlock|ModuleList|Sequential|num_layers|n_layer|blocks|layers|\bfor\b",
        hints=(
            "How many blocks does a model of one layer run?",
            "Print a line in the block's forward and count the lines for num_layers = 1.",
            "Make num_layers blocks with range(num_layers), and call each once in one loop.",
        ),
        checks=("gpt2.layers", "gpt2.equals"),
    ),
    Bug(
        slug="ignores-num-layers",
        names="The number of blocks that this model runs is not num_layers.",
        asks="The brief asks for a stack of num_layers blocks, all of which are used.",
        look="Look for a literal where the blocks are made, and for a slice where they are run.",
        code=r"TransformerBlock|ModuleList|Sequential|num_layers|n_layer|blocks|layers|\bfor\b",
        hints=(
            "What changes in your model when num_layers does?",
            "Count the blocks that are made and those that are called, for num_layers = 1, 2, 3.",
            "Make the blocks with range(num_layers) and loop over the whole list.",
        ),
        checks=("gpt2.layers", "gpt2.equals"),
    ),
    Bug(
        slug="softmax-on-logits",
        names="The output of this model is probabilities: a softmax was applied to the logits.",
        asks="The brief asks for logits; cross_entropy applies the softmax itself.",
        look="Look at the last line of forward.",
        code=r"softmax|return",
        hints=(
            "What does F.cross_entropy expect?",
            "Print model(idx).sum(-1): is it one everywhere?",
            "Return the head's output as it is.",
        ),
        checks=("gpt2.logits", "gpt2.equals"),
    ),
    Bug(
        slug="log-softmax",
        names="The output of this model is log-probabilities: a log-softmax was applied.",
        asks="The brief asks for logits, which are the head's output before any normalisation.",
        look="Look at the last line of forward.",
        code=r"softmax|return",
        hints=(
            "What are logits, and what are log-probabilities?",
            "Print model(idx).exp().sum(-1): is it one everywhere?",
            "Return the head's output as it is.",
        ),
        checks=("gpt2.logits", "gpt2.equals"),
    ),
    Bug(
        slug="head-missing",
        names="This is a model without a language modeling head: it returns (B, T, embed_dim).",
        asks="The brief asks for a final head and for logits of shape (B, T, vocab_size).",
        look="Look at the end of forward: is the head made, called, and its result returned?",
        code=r"head|logits|softmax|return|project|linear",
        hints=(
            "How does the model say which token comes next?",
            "Print logits.shape for a vocab_size that is not embed_dim.",
            "Apply a linear layer from embed_dim to vocab_size after the final norm.",
        ),
        checks=("gpt2.shape", "gpt2.logits"),
    ),
    Bug(
        slug="head-wrong-size",
        names="The head of this model does not give vocab_size numbers.",
        asks="The brief asks for logits of shape (B, T, vocab_size).",
        look="Look at the sizes with which the head is made.",
        code=r"head|logits|softmax|return|project|linear",
        hints=(
            "How many scores does the model give for each position, and how many tokens are there?",
            "Print logits.shape with vocab_size, embed_dim and block_size all different.",
            "The head goes from embed_dim to vocab_size.",
        ),
        checks=("gpt2.shape",),
    ),
    Bug(
        slug="logits-only-last-position",
        names="The forward of this model gives logits for the last position only.",
        asks=(
            "The brief asks for logits at every position, (B, T, vocab_size): each one is trained "
            "to predict its next token."
        ),
        look="Look for an index such as [:, -1] or [:, [-1]] before or after the head.",
        code=r"-1|return|head",
        hints=(
            "For how many positions does training need a prediction?",
            "Print logits.shape for idx of shape (2, 10).",
            "Apply the head to the whole stream; taking the last position is for generation.",
        ),
        checks=("gpt2.shape",),
    ),
    Bug(
        slug="forward-requires-targets",
        names="The forward of this model cannot be called without targets.",
        asks="The brief's signature is forward(self, idx): idx alone must do.",
        look="Look at the arguments of GPT2.forward and their defaults.",
        code=r"def forward",
        hints=(
            "Can your model be used when the answer is not known?",
            "Call model(idx) as the brief's first example does.",
            "Drop targets, or give it the default None and return plain logits in that case.",
        ),
        checks=("gpt2.signature", "gpt2.shape"),
    ),
    Bug(
        slug="dropout-not-passed",
        names="The dropout_p that is given here does not reach all the parts inside.",
        asks="The brief gives every class a dropout_p, and what holds other parts passes it on.",
        look="Look at the calls that make the parts: a part that is given none drops nothing.",
        code=r"drop|Drop|CausalSelfAttention|MLP|TransformerBlock",
        hints=(
            "With which dropout_p are the inner parts made?",
            "Print the model for dropout_p = 0.5, and read the p of every Dropout in it.",
            "Pass dropout_p on in every constructor call, from GPT2 to its blocks and from a block "
            "to attention and MLP.",
        ),
        checks=("block.dropout", "gpt2.dropout"),
    ),
)
