"""Bugs of `load_openai_weights`: which variable goes where."""

from __future__ import annotations

from grader.bug import Bug

_MATRIX = r"\.T\b|transpose|permute|reshape|view|c_proj|c_attn"
_HEADS = r"c_attn|chunk|split|view|reshape|rearrange"
_COPY = r"copy_|\.data|Parameter\(|from_numpy|load_state_dict"
_LAYER = r"\bh\{|range\(|sorted|enumerate|re\."
_EQUALS = ("pretrained.equals", "pretrained.layers")

BUGS: tuple[Bug, ...] = (
    Bug(
        "square-not-transposed",
        "attn/c_proj/w arrives transposed.",
        "A matrix w is [1, n_in, n_out], for x @ w[0]; nn.Linear keeps (n_out, n_in). This one is "
        "square, so that its shape fits either way.",
        "Look at how attn/c_proj/w is treated, and whether shapes decide what is transposed.",
        _MATRIX,
        (
            "Which of the matrices fits your model whichever way it lies?",
            "Load an attn/c_proj/w that is zero but for one element above the diagonal, and look "
            "for it.",
            "Transpose all four matrices of a block, or none: do not let shapes decide.",
        ),
        _EQUALS,
    ),
    Bug(
        "matrices-reshaped",
        "Matrices are brought to the wanted shape by a reshape that mixes up their elements.",
        "A matrix w is [1, n_in, n_out], for x @ w[0]; where (n_out, n_in) is wanted it has to be "
        "transposed.",
        "Look for reshape, view and resize_ on variables whose names end in w.",
        _MATRIX,
        (
            "What is the difference between a transpose and a reshape?",
            "Compare torch.arange(6).reshape(2, 3).T with torch.arange(6).reshape(3, 2).",
            "Use w[0].T where you reshape now.",
        ),
        _EQUALS,
    ),
    Bug(
        "qkv-order",
        "Queries, keys and values are taken for one another.",
        "The columns of c_attn are those of queries, then of keys, then of values, in w as in b.",
        "Look at where c_attn is split in three, in both w and b.",
        _HEADS,
        (
            "What does each third of c_attn's columns make?",
            "Load a c_attn/b that is 1, 2 and 3 in its thirds, and look at your biases.",
            "q, k, v = values.split(C, dim=-1), for w and for b alike.",
        ),
        _EQUALS,
    ),
    Bug(
        "heads-interleaved",
        "The columns of attention are not those of the right heads.",
        "In the checkpoint C columns of queries stand side by side, head after head, then C of "
        "keys, then C of values; c_proj takes the heads' outputs in the same order.",
        "Look at the reshape between the checkpoint's columns and your heads: [3, num_heads, "
        "head_dim] in this order.",
        _HEADS,
        (
            "How does your model lay out the columns of its heads, and how does the checkpoint?",
            "Number c_attn/b from 0 on, load it, and ask which numbers your head 1 has got.",
            "w[0].view(C, 3, num_heads, head_dim), and only then permuted to your model's layout.",
        ),
        _EQUALS,
    ),
    Bug(
        "gain-bias-swapped",
        "The gain g and the bias b of a LayerNorm are swapped.",
        "g multiplies and b is added: g is nn.LayerNorm's weight, b its bias.",
        "Look at what the variables g and b of the norms go to.",
        r"ln_|/g|/b",
        (
            "Which of g and b is the weight of a LayerNorm?",
            "Print the norm's weight and bias after loading, and compare them with g and b.",
            "norm.weight gets g, norm.bias gets b.",
        ),
        _EQUALS,
    ),
    Bug(
        "norms-swapped",
        "The two norms of a block get one another's variables.",
        "ln_1 stands before attention, ln_2 before the MLP.",
        "Look at what ln_1 and ln_2 go to.",
        r"ln_",
        (
            "Which norm of your block comes first?",
            "Print the weight of the norm before attention and compare it with ln_1/g.",
            "ln_1 goes to the norm before attention, ln_2 to the one before the MLP.",
        ),
        _EQUALS,
    ),
    Bug(
        "biases-mixed-up",
        "The bias of attention's output projection and the MLP's are taken for one another.",
        "attn/c_proj/b is attention's, mlp/c_proj/b the MLP's; both are of shape [C].",
        "Look at the two lines with c_proj/b.",
        r"c_proj",
        (
            "There are two variables called c_proj/b: which is which?",
            "Print both biases after loading and compare them with the variables.",
            "Take the full name, attn/c_proj/b or mlp/c_proj/b, for each.",
        ),
        _EQUALS,
    ),
    Bug(
        "layers-out-of-order",
        "The blocks get one another's variables.",
        "model/h{i} is block i, counted from 0, and h10 comes after h9.",
        "Look at how a block's number and its name come together: is anything sorted as text?",
        _LAYER,
        (
            "Which block gets the variables of h2, in a model of twelve?",
            "Print pairs of your block's number and the variable's name.",
            "for i, block in enumerate(blocks): names begin with f'model/h{i}/'.",
        ),
        ("pretrained.layers", "pretrained.equals"),
    ),
    Bug(
        "layers-not-all-loaded",
        "Not every block gets the variables of its own number.",
        "The brief asks for all blocks, each with those of its own number.",
        "Look at the loop over blocks, its range, and how a number is read out of a name.",
        _LAYER,
        (
            "Do all blocks of a deep model get weights?",
            "Print the sum of each block's parameters after loading.",
            "Loop over all blocks with enumerate; match f'h{i}/' with its slash, not 'h1'.",
        ),
        ("pretrained.layers", "pretrained.equals"),
    ),
    Bug(
        "head-not-loaded",
        "The head keeps the weights that it had.",
        "The head has no variable of its own: it is the token embedding, transposed.",
        "Look at whether your head shares its weight with the token embedding; if not, it needs a "
        "copy of model/wte.",
        r"wte|head",
        (
            "Which variable is for the head?",
            "Compare the head's weight with the token embedding's after loading.",
            "Copy model/wte to the head's weight, too.",
        ),
        _EQUALS,
    ),
    Bug(
        "head-bias-left",
        "The head has a bias that keeps the values it had.",
        "OpenAI's head has no bias: afterwards the logits are those of the checkpoint alone.",
        "Look at the head in your gpt2.py: bias=True is the default of nn.Linear.",
        r"head|bias",
        (
            "What does your model have that the checkpoint has not?",
            "Print your head's bias after loading.",
            "Set the head's bias to zero as you load.",
        ),
        _EQUALS,
    ),
    Bug(
        "variables-not-loaded",
        "Some variables do not arrive in the model.",
        "The brief's table lists all of them, biases, norms and positions included.",
        "Look for the names that your code never takes, and for conditions that skip some.",
        _COPY,
        (
            "Which variables does your code never touch?",
            "Fill the model with a number before loading: which parameters still hold it after?",
            "Go through the table row by row: every variable is copied to a parameter.",
        ),
        _EQUALS,
    ),
    Bug(
        "weights-misplaced",
        "Some variables, or parts of them, are not where OpenAI's model has them.",
        "The brief's table says what each variable is; afterwards the logits are GPT-2's.",
        "Look at each row of the table, and at slices, permutations and loops over its elements.",
        _COPY,
        (
            "Which of your parameters holds what each variable of the table holds?",
            "Load variables that are zero but for one, and print all parameters that are not zero.",
            "Go through the table row by row; begin with one block, one head, and T = 1.",
        ),
        _EQUALS,
    ),
    Bug(
        "precision-lost",
        "The variables lose digits on their way.",
        "They are float32, and the model takes them as they are.",
        "Look for half, bfloat16 and float16.",
        r"half|float16|round",
        (
            "Through which dtypes do the values go?",
            "Compare a loaded parameter with its variable: are they equal?",
            "Copy the values as they are; copy_ converts to the parameter's dtype.",
        ),
        _EQUALS,
    ),
)
