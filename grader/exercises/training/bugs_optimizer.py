"""Bugs of `configure_optimizer`."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "no-optimizer",
        "What comes back is no torch.optim.Optimizer.",
        "The brief asks for one, whose param_groups hold the learning rate.",
        "Look at the return of configure_optimizer.",
        r"return|optim",
        (
            "What does a training loop do with what it gets?",
            "Print type(optimizer).",
            "Return torch.optim.AdamW(…) itself.",
        ),
        ("training.every_parameter",),
    ),
    Bug(
        "parameter-missing",
        "Some parameter that is trained is in no group: it is never stepped.",
        "The brief asks for every parameter that is trained.",
        "Look at the conditions that sort parameters: is there one that meets none of them?",
        r"ndim|dim\(|name|endswith|shape|isinstance",
        (
            "Which of your groups has a weight of three axes, and a vector that is no bias?",
            "Compare the number of parameters in all groups with that in the model.",
            "Sort by one condition and its opposite: ndim >= 2, or not.",
        ),
        ("training.every_parameter",),
    ),
    Bug(
        "parameter-twice",
        "A parameter is stepped more than once: it is in the groups twice, as a tied one "
        "easily is.",
        "The brief asks for every one exactly once, tied ones too.",
        "Look for remove_duplicate=False, state_dict, and loops over modules and their parameters.",
        r"remove_duplicate|modules\(\)|state_dict|named_parameters|recurse",
        (
            "How many names does a tied parameter have, and how often is it in your groups?",
            "Collect id(p) of all parameters in all groups: are they all different?",
            "model.parameters() gives a shared parameter once.",
        ),
        ("training.every_parameter",),
    ),
    Bug(
        "frozen-trained",
        "A parameter with requires_grad=False is changed.",
        "The brief asks for those that are trained.",
        "Look for requires_grad_(True), and for updates by hand.",
        r"requires_grad|copy_|data",
        (
            "Who decides which parameters are trained?",
            "Freeze one parameter, make a step, and compare.",
            "Leave out parameters with requires_grad=False, and do not set it.",
        ),
        ("training.every_parameter",),
    ),
    Bug(
        "learning-rate-ignored",
        "The learning rate that is given, or set in the groups later, has no effect.",
        'The brief asks for learning_rate, and that setting "lr" in all groups changes it.',
        "Look at whether lr is passed on.",
        r"lr|learning_rate",
        (
            "Where does the optimizer find its learning rate?",
            'Print group["lr"] of all groups, then set them and make a step.',
            "torch.optim.AdamW(groups, lr=learning_rate, …).",
        ),
        ("training.adamw",),
    ),
    Bug(
        "adamw-eps-too-large",
        "The eps beside the root of the averaged squares, or under it, is too large.",
        "The brief asks for a small one, such as torch's own of 1e-8.",
        "Look at eps where the optimizer is made.",
        r"eps",
        (
            "What stands beside the root in AdamW's denominator?",
            'Print group["eps"] of all groups, and make a step with gradients of 0.001.',
            "Leave eps out: torch's own is 1e-8, beside the root.",
        ),
        ("training.adamw",),
    ),
    Bug(
        "no-adamw",
        "The steps are not AdamW's.",
        "The brief asks for AdamW.",
        "Look at which optimizer is made.",
        r"optim|SGD",
        (
            "How far does AdamW move a parameter in its first step?",
            "Print optimizer.",
            "torch.optim.AdamW.",
        ),
        ("training.adamw",),
    ),
    Bug(
        "no-bias-correction",
        "The averages are used as they are, though they begin at zero.",
        "The brief asks for AdamW, which divides them by 1 - beta to the power of the number "
        "of steps.",
        "Look at what the averages are divided by.",
        r"1 -|\*\*|step",
        (
            "How large is an average of gradients after one step?",
            "Compare the first step with learning_rate · sign(gradient).",
            "Divide by 1 - beta1**t and 1 - beta2**t, t counted from 1; or take torch.optim.AdamW.",
        ),
        ("training.adamw",),
    ),
    Bug(
        "moves-without-gradient",
        "A parameter moves or decays in a step in which it has no gradient.",
        "The brief asks that it sit the step out.",
        "Look at what is done where grad is None.",
        r"grad is None|is not None|grad",
        (
            "What does your optimizer do where p.grad is None?",
            "Set one parameter's grad to None, step, and compare it with what it was.",
            "Skip it before anything else: no decay, no averages.",
        ),
        (
            "training.adamw",
            "training.weight_decay",
        ),
    ),
    Bug(
        "betas-ignored",
        "The betas are not those given, or not the brief's default.",
        "The brief asks for betas, (0.9, 0.95) if none are given.",
        "Look at whether betas is passed on: torch's own default is (0.9, 0.999).",
        r"betas|0\.9",
        (
            "Which betas does your optimizer have?",
            'Print [g["betas"] for g in optimizer.param_groups] for betas=(0.5, 0.6).',
            "torch.optim.AdamW(groups, lr=learning_rate, betas=betas).",
        ),
        ("training.adamw",),
    ),
    Bug(
        "betas-swapped",
        "The two betas are swapped.",
        "The brief asks for (that of the gradients, that of their squares).",
        "Look at the order of the betas.",
        r"betas",
        (
            "Which beta comes first?",
            'Print optimizer.param_groups[0]["betas"].',
            "Pass betas on as they are.",
        ),
        ("training.adamw",),
    ),
    Bug(
        "decay-in-the-gradient",
        "Weight decay is added to the gradient, so that Adam's averages take it in.",
        "The brief asks for AdamW: decay acts on the parameters, apart from the averages.",
        "Look at which optimizer is made: Adam with weight_decay is another thing than AdamW.",
        r"Adam\(|optim|decoupled",
        (
            "What does a parameter without any gradient do under weight decay?",
            "Set all gradients to zero, step, and see by how much a weight shrinks.",
            "torch.optim.AdamW rather than torch.optim.Adam.",
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "weight-decay-missing",
        "Nothing decays.",
        "The brief asks that matrices do.",
        "Look at the weight_decay of each group.",
        r"weight_decay",
        (
            "Which group has a weight decay above zero?",
            "Print the weight_decay and the shapes of each group.",
            '{"params": matrices, "weight_decay": weight_decay}.',
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "weight-decay-ignored",
        "What decays does so by torch's default of 0.01, not by the weight decay given.",
        "The brief asks for weight_decay.",
        "Look at whether weight_decay is passed on.",
        r"weight_decay",
        (
            "Where does the optimizer find its weight decay?",
            'Print group["weight_decay"] of all groups for weight_decay=0.5.',
            'Give it in the group, as its key "weight_decay".',
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "decay-swapped",
        "Vectors decay and matrices do not.",
        "The brief asks for the reverse.",
        "Look at which group has which weight decay.",
        r"weight_decay|ndim|dim\(",
        (
            "Which of the two groups should shrink?",
            "Print the weight_decay and the shapes of each group.",
            "weight_decay for ndim >= 2, 0.0 for the others.",
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "decay-on-vectors",
        "Vectors decay too: biases or the gains of norms.",
        "The brief asks for weight decay on parameters of two axes or more, and on no others.",
        "Look at how parameters are sorted into groups, and at the weight_decay of the group "
        "without.",
        r"weight_decay|ndim|dim\(|bias|norm",
        (
            "What should a bias, or a norm's gain, be pulled towards?",
            "Print shapes and weight_decay of each group; torch's default is 0.01, not 0.",
            'A group of its own, with "weight_decay": 0.0, for those with ndim < 2, whatever '
            "their names.",
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "decay-on-scalars",
        "A parameter with no axis at all decays.",
        "The brief asks for weight decay on parameters of two axes or more, and on no others.",
        "Look at how parameters are sorted into groups.",
        r"ndim|dim\(|shape",
        (
            "In which of your groups is a parameter of shape ()?",
            "Print p.ndim of nn.Parameter(torch.tensor(1.0)).",
            "Sort by ndim >= 2 alone: what is not is not decayed.",
        ),
        ("training.weight_decay",),
    ),
    Bug(
        "decay-misses-a-matrix",
        "Some parameter of two axes or more does not decay.",
        "The brief asks that all of those do: embeddings, and weights of three axes, too.",
        "Look at how parameters are sorted into groups: by names, by types of modules, by "
        "ndim == 2?",
        r"ndim|dim\(|name|isinstance|Embedding",
        (
            "Do embeddings decay in your groups, and weights of three axes?",
            "Print names and weight_decay of all parameters.",
            "Sort by ndim >= 2 alone.",
        ),
        ("training.weight_decay",),
    ),
)
