"""Bugs that any of the classes may have."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        slug="not-implemented",
        names="It is not finished: a method or function is still a stub, or returns nothing.",
        asks="The brief says what each class and function gives back.",
        look="Look for a NotImplementedError, a pass, or an end without a return.",
        code=r"NotImplemented|pass\b|\.\.\.",
        hints=(
            "Is there anything left to be written?",
            "Call it with an input as the brief describes it, and print the result.",
            "Fill in what is a stub, such as __init__ or forward; return the result at the end.",
        ),
        checks=(".shape", ".signature"),
    ),
    Bug(
        slug="wrong-signature",
        names="The class or function cannot be built or called as in the brief.",
        asks="The brief gives the names, the order and the defaults of all arguments.",
        look="Look at its name and its arguments, also those of __init__ and forward, "
        "beside the brief's.",
        code=r"def __init__|def forward|^class",
        hints=(
            "Would somebody who has only the brief be able to use it?",
            "Call it as the brief does, with arguments by name and by position.",
            "Take the brief's arguments in its order and with its defaults; whatever you add needs "
            "a default, in forward too.",
        ),
        checks=(".signature", ".shape"),
    ),
    Bug(
        slug="crashes",
        names="The code raises an error on an input that the brief allows.",
        asks="The brief says which inputs are allowed, such as any B ≥ 1 and 1 ≤ T ≤ block_size.",
        look="Look at the line that the traceback names, and at the values and shapes there.",
        code=r"",
        hints=(
            "What does the last line of the traceback say?",
            "Print each value in the line that fails, of a tensor its shape and dtype.",
            "Go back to where that shape, dtype or name was made: the sizes of neighbouring layers "
            "must agree, and a view needs contiguous memory where reshape does not.",
        ),
        checks=(".shape", ".block_size", ".signature"),
    ),
    Bug(
        slug="endless-loop",
        names="The code was still running when its time was over.",
        asks="A call on inputs as small as these takes milliseconds.",
        look="Look at the loop that is named, if one is: does its condition ever become false?",
        code=r"while|for ",
        hints=(
            "What has to change for your loop to end?",
            "Print the values in the loop's condition from inside of it.",
            "Count up what the condition compares, or use for t in range(T), or no loop at all.",
        ),
        checks=(".shape", ".signature"),
    ),
    Bug(
        slug="not-finite",
        names="The output has NaN or infinite values.",
        asks="The brief asks for numbers, for any finite input.",
        look="Look for a softmax over nothing but minus infinity, for a root or logarithm of what "
        "may be negative or zero, and for 0 · ∞.",
        code=r"inf\b|softmax|sqrt|log|/|exp|\*\*",
        hints=(
            "Which operation gives NaN, and for which values?",
            "Print x.isnan().any() after each line of forward to find the first tensor with NaN.",
            "Keep something visible in each row of a softmax, and add an eps under each root.",
        ),
        checks=(".shape", ".causal", ".equals"),
    ),
    Bug(
        slug="overflow",
        names="An exponential overflows: right for small numbers, NaN or infinite for large ones.",
        asks="The output is finite for any finite input; a trained GPT-2 has large scores, too.",
        look="Look at each exp: a softmax or a tanh by hand is the likely one.",
        code=r"exp|softmax|tanh|cosh|sinh",
        hints=(
            "How large may x be before torch.exp(x) is infinite, in float32 and in float16?",
            "Print the largest score just before your softmax, and the exponential of it.",
            "Subtract each row's maximum before exp, which changes nothing else, or use "
            "F.softmax and torch.tanh, which do so.",
        ),
        checks=(".equals", ".causal", ".shape"),
    ),
    Bug(
        slug="returns-tuple",
        names="The forward returns something other than one plain tensor, such as a tuple or dict.",
        asks="The brief asks for a single tensor.",
        look="Look at the return of forward.",
        code=r"return",
        hints=(
            "What does somebody get who calls your class?",
            "Print type(y) for the result of one call.",
            "Return the output tensor alone; keep weights, hidden states and losses out of it.",
        ),
        checks=(".shape",),
    ),
    Bug(
        slug="wrong-dtype",
        names="The output has another dtype than the model's weights, or only float32 works.",
        asks="A PyTorch module computes in the dtype of its weights, float64 as well as float32.",
        look="Look for .float(), and for torch.zeros or torch.empty without a dtype in forward.",
        code=r"float|zeros|empty|ones|full|arange|tensor\(|dtype",
        hints=(
            "What happens to your class after .double()?",
            "Print the dtype of each tensor in forward for a model.double() and a double input.",
            "Take the dtype and device of new tensors from the input, and do not cast the output.",
        ),
        checks=(".shape",),
    ),
    Bug(
        slug="output-transposed",
        names="The output has its axes in another order than the brief's.",
        asks="The brief asks for (B, T, C), and for logits of (B, T, vocab_size).",
        look="Look at the last transpose or permute before the return.",
        code=r"transpose|permute|return|\.T\b|mT",
        hints=(
            "Which axis of your output is time?",
            "Print y.shape with B, T and the width all different.",
            "Return batch first, then time, then channels; what a loss needs is done outside.",
        ),
        checks=(".shape",),
    ),
    Bug(
        slug="hard-coded-heads",
        names="The number of heads in use is not num_heads: a constant takes its place.",
        asks="The brief asks for num_heads heads, whatever num_heads is.",
        look="Look for a literal number of heads, or a literal head width, in all of the classes.",
        code=(
            r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split|"
            r"num_heads|n_head|head_dim"
        ),
        hints=(
            "What changes in your output when num_heads does?",
            "Print the shape of the scores for num_heads = 1 and for num_heads = 3.",
            "Use the argument num_heads everywhere, pass it on as it came, and compute head_dim as "
            "embed_dim // num_heads.",
        ),
        checks=(".heads", ".parts", ".shape"),
    ),
    Bug(
        slug="dropout-always-on",
        names="The dropout acts in eval mode too.",
        asks="The brief's dropout_p is a dropout rate, and dropout acts in train mode only.",
        look=(
            "Look for F.dropout without training=self.training, an nn.Dropout made in forward, or "
            "a dropout_p given to F.scaled_dot_product_attention."
        ),
        code=r"drop|Drop",
        hints=(
            "What should eval() change in your class?",
            "Call the module twice in eval mode with dropout_p = 0.5 and compare the outputs.",
            "Make nn.Dropout(dropout_p) in __init__; a functional dropout needs self.training, or "
            "a probability of 0 outside of training.",
        ),
        checks=(".dropout", ".deterministic"),
    ),
    Bug(
        slug="dropout-ignored",
        names="The value of dropout_p is not followed: nothing is dropped, or not at that rate.",
        asks="The brief's dropout_p sets how much is dropped in train mode: nothing at 0.",
        look="Look at whether a dropout is made with dropout_p, and whether it is called.",
        code=r"drop|Drop",
        hints=(
            "What does dropout_p do in train mode?",
            "Call the module twice in train mode with dropout_p = 0.5, then with 0: when do the "
            "outputs differ?",
            "Apply nn.Dropout(dropout_p) to the output of attention and to that of the MLP.",
        ),
        checks=(".dropout",),
    ),
    Bug(
        slug="differs-in-train-mode",
        names="In train mode it computes something else than in eval mode, dropout apart.",
        asks="The brief's forward is one function; train mode adds dropout to it and nothing else.",
        look="Look at what depends on self.training, or on dropout_p being above zero: is each "
        "step of the other way there, such as mask, scale and norm?",
        code=r"training|drop|Drop",
        hints=(
            "Is there a second way through forward that only training takes?",
            "Compare model.train()(x) and model.eval()(x) for dropout_p = 0 and for 1e-9.",
            "Take the same steps in both modes and let nn.Dropout tell them apart, or bring mask, "
            "scale and norm to the other way too.",
        ),
        checks=(".dropout",),
    ),
    Bug(
        slug="mutates-input",
        names="A tensor that is given is changed in place.",
        asks="The brief asks for an output; the caller's tensor must stay as it is.",
        look="Look for +=, for an assignment into x[…], and for methods that end in an underscore.",
        code=r"[+\-*/]=|\] =|_\(",
        hints=(
            "What does the caller's tensor look like after the call?",
            "Keep x.clone(), call the module, and compare values and shape.",
            "Make a new tensor: x = x + y, not x += y; masked_fill, not masked_fill_.",
        ),
        checks=(".deterministic", ".shape"),
    ),
    Bug(
        slug="randomness-in-eval",
        names="The output in eval mode depends on chance.",
        asks="In eval mode the weights and the input alone decide what a module gives.",
        look="Look in forward for torch.rand or torch.randn, and for layers that are made there.",
        code=r"rand|Linear|Dropout|normal|bernoulli",
        hints=(
            "Where do random numbers come into your forward?",
            "Call the module twice in eval mode with dropout_p = 0 and compare the outputs.",
            "Make all layers and parameters in __init__, and add noise nowhere but in dropout.",
        ),
        checks=(".deterministic", ".equals"),
    ),
    Bug(
        slug="state-kept-between-calls",
        names="The output depends on earlier calls: something is kept on self and used again.",
        asks="The brief's forward depends on weights and input alone.",
        look="Look for assignments to self in forward: caches, counters, masks of a first call.",
        code=r"self\.\w+ ?[+\-*/]?=|append|register|cache",
        hints=(
            "What does your module remember after a call?",
            "Call it with a, then with b, then with a again: are first and third output the same?",
            "Keep what belongs to one call in local variables; only what depends on sizes alone, "
            "like a mask, may stay on self, and then for any T that may come.",
        ),
        checks=(".deterministic", ".equals"),
    ),
    Bug(
        slug="batch-mixing",
        names="The sequences of a batch influence one another.",
        asks="GPT-2 treats every sequence of a batch by itself: axis 0 only counts them.",
        look="Look for reshapes that join or swap batch and time, and for a mean over axis 0.",
        code=(
            r"view|reshape|transpose|permute|unflatten|flatten|einsum|rearrange|chunk|split|"
            r"mean|sum|norm|dim=0"
        ),
        hints=(
            "Does a sequence know in which company it comes?",
            "Run one sequence alone and as part of a batch, and compare the two outputs.",
            "Keep the batch as the first axis throughout, and undo every flattening in the order "
            "in which it was done.",
        ),
        checks=(".batch", ".position_wise", ".causal", ".pre_norm", ".equals"),
    ),
    Bug(
        slug="leak-via-sequence-mean",
        names="The positions of a sequence are mixed outside masked attention, so later ones show.",
        asks="The brief asks that a position see no later one, and only attention looks at others.",
        look="Look for a mean, a norm or a convolution over axis 1, the axis of time.",
        code=r"mean|sum|norm|conv|cumsum|dim=1|max",
        hints=(
            "Which of your operations read more than one position?",
            "Change the last token and find the first tensor that changes at earlier positions.",
            "Take means over the last axis only, or none at all; other positions enter through the "
            "masked attention weights and nothing else.",
        ),
        checks=(".causal", ".position_wise", ".pre_norm", ".equals"),
    ),
    Bug(
        slug="detach-breaks-gradients",
        names="The gradient is cut on its way: a tensor in the forward leaves autograd's graph.",
        asks="The brief's model is to be trained: gradients must reach every parameter and x.",
        look=(
            "Look for detach(), .data, .item(), numpy() and torch.tensor(…) in forward, and for an "
            "embedding with padding_idx, whose row never learns."
        ),
        code=r"detach|\.data|item\(|numpy|tensor\(|clone|padding_idx",
        hints=(
            "Could every weight of this module learn?",
            "Call backward() on the sum of the output: which parameters have a grad of None or 0?",
            "Use the tensor itself, not its detached twin; detach only what is kept to look at.",
        ),
        checks=(".gradients",),
    ),
    Bug(
        slug="no-grad-in-forward",
        names="The forward runs without gradients.",
        asks="The brief's model is to be trained; whoever calls it decides about no_grad.",
        look="Look for torch.no_grad or inference_mode around forward, or a detach of its output.",
        code=r"no_grad|inference_mode|detach|requires_grad|set_grad",
        hints=(
            "Could this module learn?",
            "Print y.requires_grad for an output of the module.",
            "Take the decorator off forward, and put it on what only generates or measures.",
        ),
        checks=(".gradients",),
    ),
)
