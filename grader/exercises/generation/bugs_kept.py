"""Bugs of `generate` that show only in what it leaves, or with some of its options."""

from __future__ import annotations

from grader.bug import Bug

BUGS: tuple[Bug, ...] = (
    Bug(
        "generator-state-ignored",
        "Chance comes from the seed of the generator, or from a copy of it, not from its state.",
        "The brief asks that the state of the generator say which tokens come, and that a call "
        "move it on: a second call with the same generator draws other tokens.",
        "Look for initial_seed, get_state, and a generator that is made inside.",
        r"initial_seed|get_state|Generator\(|seed",
        (
            "What is a generator's state after your function has drawn from it?",
            "Call it twice with one and the same generator: do the same tokens come?",
            "Draw from the given one: torch.multinomial(probabilities, 1, generator=generator).",
        ),
        ("generation.generator",),
    ),
    Bug(
        "eos-forgotten-with-options",
        "With some options eos_token_id is not looked at, without them it is.",
        "The brief asks for the same end whatever else is given.",
        "Look at the branches that top_k, top_p, temperature and generator take.",
        r"eos|done|finished|top_k|top_p",
        (
            "Is there a way through your loop on which nobody looks at EOS?",
            "Generate with eos_token_id and top_k until a row has produced it.",
            "Choose in one place; then, for all, write EOS into finished rows.",
        ),
        ("generation.together", "generation.independent"),
    ),
    Bug(
        "model-changed",
        "The model's parameters are afterwards not what they were.",
        "The brief asks that nothing be left behind: they are trained as before, or not.",
        "Look at requires_grad, and at what is written to the model.",
        r"requires_grad|\.data|setattr",
        (
            "What does somebody find who goes on to train the model?",
            "Print [p.requires_grad for p in model.parameters()] before and after.",
            "@torch.no_grad() is all it takes; leave requires_grad alone.",
        ),
        ("generation.mode",),
    ),
)
