"""Bugs of `estimate_loss`, and of training as a whole."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "loss-not-a-float",
        "The loss comes back as something other than a Python float.",
        "The brief asks for a float.",
        "Look at the return: a tensor keeps the whole graph alive.",
        r"return|item|loss",
        (
            "What does the caller do with it?",
            "Print type(loss).",
            "Return loss.item().",
        ),
        (
            "training.returned_loss",
            "training.estimate",
        ),
    ),
    Bug(
        "estimate-in-train-mode",
        "The loss is estimated in train mode: dropout acts.",
        "The brief asks for eval mode.",
        "Look for model.eval(), before the model is called.",
        r"eval\(|train\(",
        (
            "In which mode is a model measured?",
            "Estimate twice with one seed on a model with dropout.",
            "model.eval() first, and each module's mode back afterwards.",
        ),
        ("training.estimate",),
    ),
    Bug(
        "estimate-summed",
        "The losses are summed.",
        "The brief asks for their mean.",
        "Look at what the sum is divided by.",
        r"sum|/|mean",
        (
            "What happens to it when num_batches grows?",
            "Compare num_batches=1 with 10.",
            "Divide by num_batches.",
        ),
        ("training.estimate",),
    ),
    Bug(
        "estimate-of-one-batch",
        "The loss is that of one batch: the first again and again, or the last.",
        "The brief asks for num_batches batches, one after another.",
        "Look at where the generator is made, and at what is added up in the loop.",
        r"Generator|seed|for|return",
        (
            "How many different batches does your loop see?",
            "Print the first input of each batch.",
            "Make the generator once, before the loop, and add up all losses.",
        ),
        ("training.estimate",),
    ),
    Bug(
        "estimate-seed-ignored",
        "The batches do not come from a generator with the seed given.",
        "The brief asks for one seeded with `seed`, 0 if none is given.",
        "Look at what generator get_batch is given.",
        r"Generator|seed|get_batch",
        (
            "Do two estimates with one seed agree?",
            "Call it with torch.manual_seed(1) and torch.manual_seed(2) before it.",
            "generator = torch.Generator().manual_seed(seed), given to every get_batch.",
        ),
        ("training.estimate",),
    ),
    Bug(
        "modes-not-kept",
        "All modules are put into one mode afterwards, where they were in several.",
        "The brief asks that every module's mode be as it was.",
        "Look at model.train(…) at the end: it reaches every module inside.",
        r"train\(|eval\(|modules",
        (
            "What if the caller has put a part of the model into eval mode?",
            "Put one submodule into eval mode, and print [m.training for m in "
            "model.modules()] before and after.",
            "Keep each module's flag, and set module.training again for each.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "chance-not-kept",
        "torch's own generator is moved or seeded.",
        "The brief asks that it be left as found.",
        "Look for torch.manual_seed, and for get_batch without a generator.",
        r"manual_seed|seed|get_batch",
        (
            "Does an estimate change how training goes on?",
            "Compare torch.get_rng_state() before and after.",
            "A torch.Generator() of your own, seeded, for get_batch.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "estimate-records-gradients",
        "Gradients are recorded while the loss is estimated.",
        "The brief asks for none.",
        "Look for no_grad where the model is called.",
        r"no_grad|inference_mode",
        (
            "What does autograd do meanwhile?",
            "Print torch.is_grad_enabled() beside the call of the model.",
            "@torch.no_grad() above the function.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "gradients-not-kept",
        "The parameters' gradients are changed.",
        "The brief asks that they be left as found.",
        "Look for zero_grad and backward.",
        r"zero_grad|backward|grad",
        (
            "May somebody estimate between backward() and step()?",
            "Compare every p.grad before and after.",
            "No zero_grad and no backward in it.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "requires-grad-not-kept",
        "Parameters' requires_grad is changed: what was frozen is trained afterwards, or the "
        "reverse.",
        "The brief asks that everything be as it was.",
        "Look for requires_grad.",
        r"requires_grad",
        (
            "What if the caller has frozen a part of the model?",
            "Freeze one parameter, and print [p.requires_grad for p in model.parameters()] before "
            "and after.",
            "torch.no_grad() is enough: leave requires_grad alone.",
        ),
        ("training.estimate_leaves", "training.step"),
    ),
    Bug(
        "inference-tensors-left",
        "Estimating leaves tensors of inference mode in the model, which cannot be trained then.",
        "The brief asks that everything be as it was.",
        "Look for inference_mode.",
        r"inference_mode",
        (
            "What does your GPT2 keep from its first call?",
            "Call estimate_loss on a new GPT2 of yours, then train_step.",
            "torch.no_grad() in place of torch.inference_mode().",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "parameters-replaced",
        "Estimating puts new parameters in the place of the model's own.",
        "The brief asks for a measurement that leaves everything as it was.",
        "Look for setattr, for nn.Parameter, and for load_state_dict with assign=True.",
        r"setattr|Parameter\(|assign",
        (
            "Are the parameters afterwards the ones that the optimizer knows?",
            "Compare id(p) of all parameters before and after.",
            "Forward and loss, nothing else.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "parameters-changed",
        "Estimating changes the parameters.",
        "The brief asks for a measurement.",
        "Look for a step, or for arithmetic in place.",
        r"step|_\(|data",
        (
            "What may a measurement change?",
            "Compare the parameters before and after.",
            "Forward and loss, nothing else.",
        ),
        ("training.estimate_leaves",),
    ),
    Bug(
        "sees-the-targets",
        "The model ends at a loss that nobody can reach who sees only what comes before.",
        "The brief asks that the model guess: its mask, and targets, must not show it what to "
        "guess.",
        "Look at the mask in GPT2's attention, and at targets.",
        r"mask|tril|triu|data\[",
        (
            "Can the model look its answer up?",
            "Grade your gpt2.py: does attention see later positions?",
            "Mend the mask of CausalSelfAttention.",
        ),
        ("training.run",),
    ),
    Bug(
        "does-not-learn",
        "In 200 steps on a text the model does not learn what it has to.",
        "The brief asks that the functions work together.",
        "Look at what the other checks say; if they pass, at what your functions keep from "
        "call to call.",
        r"",
        (
            "Does the loss fall?",
            "Print the losses of 200 steps on a text.",
            "Each step: a new batch, new gradients, one step of the optimizer at the "
            "schedule's rate.",
        ),
        ("training.run",),
    ),
)
