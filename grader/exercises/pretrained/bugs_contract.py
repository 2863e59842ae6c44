"""Bugs of `load_openai_weights`: what it promises besides the logits, and what it refuses."""

from __future__ import annotations

from grader.bug import Bug

_COPY = r"copy_|\.data|Parameter\(|from_numpy|load_state_dict"
_CHECKS = r"raise|ValueError|KeyError|shape|strict| in "
_EQUALS = ("pretrained.equals", "pretrained.layers")

BUGS: tuple[Bug, ...] = (
    Bug(
        "added-to-what-was",
        "The variables are added to what the model had.",
        "The brief asks that they take its place, whatever the model held before.",
        "Look for add_ and += on parameters.",
        r"add_|\+=",
        (
            "What is in a parameter when you load a second time?",
            "Load the same variables twice and compare the parameters.",
            "Use copy_ rather than add_.",
        ),
        ("pretrained.equals", "pretrained.again"),
    ),
    Bug(
        "loaded-once",
        "A second checkpoint does not replace the first.",
        "The brief asks that afterwards the logits are those of the variables given, whatever was "
        "there before.",
        "Look for what is remembered between calls: a cache, a flag, a global.",
        r"cache|global|if ",
        (
            "What does a second call do that the first did not, or the other way round?",
            "Load two checkpoints one after the other and compare the logits.",
            "Keep nothing between calls.",
        ),
        ("pretrained.again",),
    ),
    Bug(
        "memory-shared",
        "The model shares memory with something outside of it.",
        "The brief asks that whoever changes the variables, or another model, does not change this "
        "one.",
        "Look for .data = …, nn.Parameter(…), torch.from_numpy and load_state_dict(assign=True) "
        "without a clone.",
        _COPY,
        (
            "Whose memory do your parameters use after loading?",
            "Compare data_ptr() of a parameter with that of the variable.",
            "parameter.copy_(value) under torch.no_grad(), or nn.Parameter(value.clone()).",
        ),
        ("pretrained.memory", "pretrained.again"),
    ),
    Bug(
        "variables-changed",
        "The variables are not what they were.",
        "The brief asks that `variables` is as it was: names, shapes and values.",
        "Look for pop, del, and methods whose names end in _ on what was given.",
        r"pop|del |_\(",
        (
            "What does the caller find in variables afterwards?",
            "Compare len(variables) and the shapes before and after.",
            "Use variables[name], and keep your own set of names that are done.",
        ),
        ("pretrained.unchanged",),
    ),
    Bug(
        "dtype-not-kept",
        "Parameters are of another dtype after loading.",
        "The brief asks that the model's dtype stays: a float64 model stays float64.",
        "Look for parameters that are replaced by the variables themselves, or converted.",
        _COPY,
        (
            "Of which dtype are the variables, and of which is the model?",
            "Load into GPT2(…).double() and print the dtypes of all parameters.",
            "parameter.copy_(value) converts to the parameter's own dtype.",
        ),
        ("pretrained.dtype", *_EQUALS),
    ),
    Bug(
        "gradients-switched-off",
        "After loading, something is no longer trained.",
        "The brief asks that the model can be trained on as before.",
        "Look for requires_grad, set_grad_enabled(False) and what is not set back.",
        r"requires_grad|grad_enabled|no_grad",
        (
            "Could the model be fine-tuned after this?",
            "Print requires_grad of all parameters, and torch.is_grad_enabled(), afterwards.",
            "Write inside `with torch.no_grad():`, and change nothing else about gradients.",
        ),
        ("pretrained.trains", "pretrained.untouched"),
    ),
    Bug(
        "weights-untied",
        "The head and the token embedding were one parameter, and are two afterwards.",
        "The brief asks that one parameter in two places of the model stays one: else a later "
        "training moves them apart.",
        "Look for load_state_dict(assign=True) and nn.Parameter(…) without tying them again.",
        r"assign|Parameter\(|state_dict",
        (
            "How many parameters has your model before, and how many after?",
            "Print model.head.weight is model.token_embedding.weight, with your own names, before "
            "and after.",
            "Copy into the parameters that are there, or tie the head again afterwards.",
        ),
        ("pretrained.trains", "pretrained.untouched"),
    ),
    Bug(
        "frozen-weights-thawed",
        "What was frozen is trained after loading.",
        "The brief asks that what was frozen stays frozen.",
        "Look for requires_grad and for new parameters, which are trained unless told otherwise.",
        r"requires_grad|Parameter\(|assign",
        (
            "What does a new nn.Parameter have for requires_grad?",
            "Freeze the model, load, and print requires_grad of all parameters.",
            "Copy into the parameters that are there, or give new ones the old requires_grad.",
        ),
        ("pretrained.trains", "pretrained.untouched"),
    ),
    Bug(
        "right-variables-refused",
        "A checkpoint that fits is refused.",
        "The names and shapes are those of the brief's table, for any size of the model.",
        "Look at the check that raises: are its names and shapes those of the table?",
        _CHECKS,
        (
            "Which name or shape does your code find wrong, and what does the table say of it?",
            "Print what you expect and what you find, for the variable in the message.",
            "Compare with the shapes in the table: [1, n_in, n_out] for every w.",
        ),
        _EQUALS,
    ),
    Bug(
        "model-lacks-parameters",
        "Your GPT2 has fewer numbers than the checkpoint.",
        "To take an OpenAI checkpoint a model needs a bias in every linear layer, and weight and "
        "bias in every norm.",
        "Look at your gpt2.py for bias=False and elementwise_affine=False.",
        r"bias=False",
        (
            "Is there a place in your model for every variable of the table?",
            "Count your model's parameters and the checkpoint's.",
            "Give your gpt2.py the biases that it lacks.",
        ),
        _EQUALS,
    ),
    Bug(
        "base-not-gpt2",
        "The GPT2 that the weights go into does not compute GPT-2.",
        "The checkpoint's logits can only come from GPT-2 itself.",
        "Grade the exercise gpt2 first; its report says what is wrong.",
        r"class GPT2",
        (
            "Does your GPT2 pass the first exercise?",
            "Run grader grade --exercise gpt2 on the same folder.",
            "Mend gpt2.py first, or be judged on another with --base solutions.",
        ),
        _EQUALS,
    ),
    Bug(
        "missing-accepted",
        "A checkpoint that lacks variables is loaded without a word.",
        "The brief asks for a ValueError with the name of what is missing.",
        "Look for what skips a name that is not there: get, in, strict=False, try.",
        _CHECKS,
        (
            "What if a variable is not there?",
            "Delete one variable after the other and see what comes.",
            "for name in wanted: if name not in variables: raise ValueError(f'{name} is missing').",
        ),
        ("pretrained.missing", "pretrained.untouched"),
    ),
    Bug(
        "surplus-accepted",
        "Variables for which the model has no place are ignored.",
        "The brief asks for a ValueError with the name: a checkpoint of more blocks does not fit.",
        "Look at whether anything goes through the names of variables, rather than of the model.",
        _CHECKS,
        (
            "What if the checkpoint has one block more than the model?",
            "Add a variable with a name of your own: does anybody notice?",
            "for name in variables: if name not in wanted: raise ValueError(f'{name} is surplus').",
        ),
        ("pretrained.surplus",),
    ),
    Bug(
        "wrong-shape-accepted",
        "A variable of a wrong shape is squeezed, reshaped or broadcast until it fits.",
        "The brief asks for a ValueError with its name, for any shape but the table's.",
        "Look at what is compared before copy_, which broadcasts, and after squeeze or [0], which "
        "hide a dimension.",
        _CHECKS,
        (
            "Which shapes does copy_ take besides the parameter's own?",
            "Give a variable of shape [1] for one of shape [C], and [n_in, n_out] for "
            "[1, n_in, n_out].",
            "Compare tuple(variable.shape) with the table's, before anything else happens to it.",
        ),
        ("pretrained.shapes",),
    ),
    Bug(
        "wrong-kind-of-error",
        "What does not fit ends in another error than ValueError.",
        "The brief asks for a ValueError that has the variable's name.",
        "Look at where a KeyError, an AssertionError or torch's RuntimeError comes from.",
        _CHECKS,
        (
            "Who raises the error that you see: you, Python or torch?",
            "Call it with one variable missing, one too many, one of a wrong shape, and print the "
            "errors' types.",
            "Look at names and shapes yourself first, and raise ValueError(f'{name} …').",
        ),
        ("pretrained.missing", "pretrained.surplus", "pretrained.shapes"),
    ),
    Bug(
        "variable-not-named",
        "The error does not say which variable it is about.",
        "The brief asks for the variable's full name in the message, such as model/h0/ln_1/g.",
        "Look at the message: has it the name as it stands in variables?",
        r"raise",
        (
            "What would somebody do next who reads your message?",
            "Print the message for one variable that is missing.",
            "raise ValueError(f'{name} must be of shape …, found …').",
        ),
        ("pretrained.missing", "pretrained.surplus", "pretrained.shapes"),
    ),
    Bug(
        "partial-load",
        "An error leaves the model with some of the weights written.",
        "The brief asks that after an error the model has all the weights that it had.",
        "Look at whether checks and copies are in one loop.",
        _COPY,
        (
            "What has been written by the time you see the error?",
            "Print the sum of every parameter before and after a refused checkpoint.",
            "Two loops: the first looks at all variables, the second writes.",
        ),
        ("pretrained.untouched",),
    ),
)
