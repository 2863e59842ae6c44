"""Bugs of the block: norms, residuals, order. Those of a norm are met after the last block too."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="post-norm",
        names="This is a post-norm block: a LayerNorm stands behind a sublayer or behind its sum.",
        asks=(
            "The brief asks for pre-normalization: LayerNorm before attention and before the MLP, "
            "and none on the residual stream."
        ),
        look="Look at what each norm takes in: the stream itself, or a sublayer's output?",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "Which tensor is normed in your block, and where does the result go?",
            "Follow x from input to output through the additions alone: is it ever normed?",
            "Norm x, give that to the sublayer, and add the sublayer's output to the x that was "
            "not normed.",
        ),
        checks=("block.pre_norm", "block.equals"),
    ),
    Bug(
        slug="norm-missing-1",
        names="The attention of this block reads the residual stream with no LayerNorm before it.",
        asks="The brief asks for LayerNorm before attention as well as before the MLP.",
        look="Look at the argument that attention is called with.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "What does attention read?",
            "Print mean and standard deviation over the last axis of what attention receives.",
            "Call attention with the first norm's output, not with x, and add the result to x.",
        ),
        checks=("block.pre_norm", "block.norms", "block.equals"),
    ),
    Bug(
        slug="norm-missing-2",
        names="The MLP of this block reads the residual stream with no LayerNorm of its own.",
        asks="The brief asks for LayerNorm before the MLP as well as before attention.",
        look="Look at the argument that the MLP is called with.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "What does the MLP read?",
            "Print mean and standard deviation over the last axis of what the MLP receives.",
            "Call the MLP with the second norm's output, and add the result to the stream that was "
            "not normed.",
        ),
        checks=("block.pre_norm", "block.norms", "block.equals"),
    ),
    Bug(
        slug="norm-shared",
        names="The same LayerNorm is used in more than one place.",
        asks=(
            "GPT-2 learns a LayerNorm for each place: two in every block, and one after the last "
            "block."
        ),
        look="Look at how many norms are made, and at whether two names stand for one of them.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN",
        hints=(
            "How many pairs of norm weights does a model of two blocks have?",
            "Print [name for name, _ in model.named_parameters()] and count the norms.",
            "Make a new nn.LayerNorm for each place; a = b = nn.LayerNorm(…) makes only one.",
        ),
        checks=("block.norms", "gpt2.final_norm", "gpt2.layers"),
    ),
    Bug(
        slug="residual-missing-attn",
        names="The first residual is missing or gets lost: x + attn(norm(x)) is not carried on.",
        asks=(
            "The brief's pre-norm block adds attention's output to the stream, and both go on to "
            "the MLP and to the second sum."
        ),
        look="Look at what x is after attention, and at which x the last sum uses.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "What is left of x if attention gives zero? And what of attention if the MLP does?",
            "Set the weights of the MLP to zero: does the block give x + attn(norm(x))?",
            "Add attention's output to x, call that x from here on, and use it both inside and "
            "outside the MLP.",
        ),
        checks=("block.residuals", "block.equals"),
    ),
    Bug(
        slug="residual-missing-mlp",
        names="The second residual is missing: the MLP's output replaces the stream.",
        asks="The brief's pre-norm block adds the MLP's output to the stream: x + mlp(norm(x)).",
        look="Look at the last line of the block.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "What is left of the stream if the MLP gives zero?",
            "Set all weights of attention and MLP to zero: the block should give x back.",
            "Return the sum of the stream after attention and of the MLP's output.",
        ),
        checks=("block.residuals", "block.equals"),
    ),
    Bug(
        slug="residual-from-normed",
        names="The residual of this block adds the normed x in place of x itself.",
        asks=(
            "The brief's pre-norm block norms only what a sublayer reads; the stream that its "
            "output is added to stays as it is."
        ),
        look="Look for a line such as x = norm(x), after which the x before it is gone.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "Which x do you add the sublayer's output to?",
            "Set all weights of attention and MLP to zero: is the output x, or a normed x?",
            "Keep the norm's output under another name, or write it inside the call: "
            "x + attn(norm(x)).",
        ),
        checks=("block.residuals", "block.equals"),
    ),
    Bug(
        slug="double-residual",
        names=(
            "The residual is not one plain sum: the stream or a sublayer enters it more than once, "
            "or with a factor."
        ),
        asks=(
            "The brief's pre-norm block adds each sublayer's output to the stream once; attention "
            "and MLP add nothing themselves, and neither does the model around its blocks."
        ),
        look="Look for every sum with x: inside attention and MLP, in the block, around the block.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "How often is x added on its way through the block and through the model?",
            "Set all weights of attention and MLP to zero: does the block give x, or 2 * x?",
            "Only the block adds: x + attn(norm(x)), then x + mlp(norm(x)); each sublayer is "
            "called once, and there is no factor.",
        ),
        checks=("block.residuals", "block.order", "mlp.equals", "gpt2.layers"),
    ),
    Bug(
        slug="parallel-block",
        names="This is a parallel block, as in GPT-J: both attention and MLP read its input.",
        asks="In GPT-2 the MLP reads the stream after attention's output was added to it.",
        look="Look at what the second norm, or the MLP, receives.",
        code=r"\+|norm|ln|attn|mlp",
        hints=(
            "Can the MLP see what attention found?",
            "Set attention's weights to zero: does the MLP's output change?",
            "Two steps, not one: first add attention's output to x, then feed the new x to the "
            "second norm and the MLP.",
        ),
        checks=("block.order", "block.equals"),
    ),
    Bug(
        slug="order-swapped",
        names="The MLP comes before attention in this block.",
        asks="The brief's order is GPT-2's: attention first, then the MLP.",
        look="Look at the order of the two sublayers in forward, or in the list that runs them.",
        code=r"attn|mlp|ff|attention",
        hints=(
            "What should a position do first: gather from others, or think for itself?",
            "Write down the operations of your block in the order in which they run.",
            "First the stream plus attention of its norm, then the stream plus MLP of its norm.",
        ),
        checks=("block.order", "block.equals"),
    ),
    Bug(
        slug="no-mlp",
        names="This is a block in which the MLP is never applied.",
        asks="The brief asks for attention and an MLP in every block, each with norm and residual.",
        look="Look at the second half of forward: which sublayer does it call?",
        code=r"mlp|ff|feed|attn|attention",
        hints=(
            "How many sublayers run in your block, and which?",
            "Call backward() on the sum of the output: do the MLP's parameters get a grad?",
            "After attention was added, add the MLP of the second norm's output to the stream.",
        ),
        checks=("block.order", "block.equals"),
    ),
    Bug(
        slug="no-attn",
        names="This is a block in which attention is never applied.",
        asks="The brief asks for attention and an MLP in every block, each with norm and residual.",
        look="Look at the first half of forward: which sublayer does it call?",
        code=r"mlp|ff|attn|attention",
        hints=(
            "How can a position of your block learn of another one?",
            "Change the first token of a sequence: does the block's output at the last one change?",
            "Begin with the sum of the stream and of the attention of the first norm's output.",
        ),
        checks=("block.order", "block.equals"),
    ),
    Bug(
        slug="layernorm-over-time",
        names="The norm takes its mean and variance over time, alone or along with the channels.",
        asks=(
            "The brief asks for LayerNorm, which norms each position by itself, over its embed_dim "
            "channels; statistics over time let a position see later ones."
        ),
        look="Look at the axes of mean and variance, or at the shape that nn.LayerNorm is given.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN",
        hints=(
            "Which numbers does LayerNorm average?",
            "Print mean and standard deviation of the norm's output over the last axis.",
            "Take mean and variance over the last axis only, with keepdim=True.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
    Bug(
        slug="layernorm-no-affine",
        names="The norm has no weights that could be learned.",
        asks="GPT-2's LayerNorm ends with a learned weight and bias for each channel.",
        look="Look for elementwise_affine=False, F.layer_norm without weight, or a frozen weight.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN|affine|requires_grad",
        hints=(
            "What does a LayerNorm learn?",
            "Print the names of your parameters: is there one of embed_dim elements for each norm?",
            "Use nn.LayerNorm(embed_dim) as it is, or multiply with an nn.Parameter of ones.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
    Bug(
        slug="layernorm-unbiased-variance",
        names="The norm does not divide by the root of the biased variance.",
        asks=(
            "LayerNorm divides by the root of the mean of squared deviations, over C; torch's std "
            "and var divide by C - 1 unless told otherwise."
        ),
        look="Look at the std or var in the norm, at its default, and at the root.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN",
        hints=(
            "By which number is the sum of squares divided in a variance?",
            "Compare your norm with nn.LayerNorm(4) on the vector 1, 2, 3, 4.",
            "Use var with correction=0 (unbiased=False), add eps, and divide by the square root.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
    Bug(
        slug="rmsnorm",
        names="This is RMSNorm or something close to it: the mean is not subtracted.",
        asks="The brief asks for LayerNorm, which takes the mean off first.",
        look="Look at the class of the norm, or at its numerator if you wrote it yourself.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN",
        hints=(
            "What is the mean of a position's channels after your norm?",
            "Print the norm's output.mean(-1): LayerNorm gives zeros at its initial weights.",
            "Use nn.LayerNorm, or subtract the mean over the last axis before dividing.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
    Bug(
        slug="batchnorm",
        names="The norm is a BatchNorm: its statistics run over batch and time, not over channels.",
        asks="The brief asks for LayerNorm, whose statistics come from one position's channels.",
        look="Look at the class of the norms.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN",
        hints=(
            "Should the other sequences of a batch matter to this one?",
            "Print list(block.buffers()): a LayerNorm keeps no running mean or variance.",
            "Use nn.LayerNorm(embed_dim) on (B, T, C) as it is, with no transpose.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
    Bug(
        slug="eps-too-large",
        names="The norm's eps is so large that it changes what the norm gives.",
        asks="GPT-2 has an eps of 1e-5, there only to keep the divisor away from zero.",
        look="Look at the eps of the norm: its exponent, and the order of the arguments.",
        code=r"norm|ln|mean|var|std|eps|Norm|LN|1e-",
        hints=(
            "What is eps for?",
            "Norm 0.1 * x and print the standard deviation over the last axis: is it near 1?",
            "Leave out eps to get nn.LayerNorm's default, or write 1e-5.",
        ),
        checks=("block.norms", "gpt2.final_norm"),
    ),
)
