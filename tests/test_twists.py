"""A GPT-2 with a twist: exactly the one that is asked for passes, in any style."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from grader import session
from grader.batch.store import Store
from grader.brief import brief, stub
from grader.catalogue import EXERCISES
from grader.cli import main
from grader.gpt2 import oracle, twists
from grader.gpt2.block_forms import BLOCKS
from grader.gpt2.specification import GPT2, Specification
from grader.gpt2.twists import BY_NAME, TwistError, drawn, named, names_of, parsed
from grader.grading import Options
from grader.hints import topics
from grader.kit import identity
from grader.report.scorecard import questions
from grader.results import CheckResult, Report
from grader.sandbox.client import Server
from tests.bank import Known, known, some
from tests.benchmarks.twists import causes, handed_in
from tests.conftest import Grade
from tests.verdicts import until_it_fails

ACCEPTED, WRONG = known("twists/accepted"), known("twists/wrong")
# Few whole gradings in a plain run, of twists in several parts at once.
WHOLE = ("swiglu_parameters", "grouped_query_separate")
QUICK = ("relu_not_squared", "window_one_less", "rmsnorm_with_bias", "tied_head_copied")


def few(bank: list[Known], names: tuple[str, ...]) -> list[Known]:
    return [known for known in bank if known.path.stem in names]


def test_each_twist_has_right_and_wrong_ones() -> None:
    for twist in BY_NAME:
        assert sum(k.header["twist"] == twist for k in ACCEPTED) == 4
        assert sum(k.header["twist"] == twist for k in WRONG) == 3


@pytest.mark.parametrize("submission", some(ACCEPTED, few(ACCEPTED, WHOLE)))
def test_right_ones_pass(judge: Grade, submission: Known) -> None:
    report = judge(submission.path, twists=(submission.header["twist"],))
    problems = {r.check.id: f"{r.status}: {r.message}" for r in report.results if r.failed}
    assert report.verdict == "pass", problems
    assert report.score == report.max_score == 100
    assert set(report.judged_by.values()) == {"equality"}
    assert report.as_json()["twists"] == (submission.header["twist"],)


@pytest.mark.parametrize("submission", some(WRONG, few(WRONG, QUICK)))
def test_wrong_ones_fail_in_their_part(server: Server, submission: Known) -> None:
    exercise = EXERCISES["gpt2"].twisted([submission.header["twist"]])
    assert until_it_fails(submission, 0, server, judged=exercise) == "fail"


@pytest.mark.parametrize("submission", some([k for k in WRONG if "cause" in k.header], []))
def test_wrong_ones_are_named(judge: Grade, submission: Known) -> None:
    report = judge(submission.path, twists=(submission.header["twist"],))
    assert report.verdict == "fail"
    found = {(d.part, d.cause) for d in report.diagnoses}
    assert (submission.header["part"], submission.header["cause"]) in found


@pytest.mark.parametrize(
    ("twist", "other", "cause"),
    [
        ("post-norm", "plain GPT-2", "without-post-norm"),
        ("rmsnorm", "post-norm", "without-rmsnorm"),
        ("swiglu", "relu-squared", "unasked-relu-squared"),
        ("qk-norm", "multi-query", "unasked-multi-query"),
        ("soft-cap", "plain GPT-2", "without-soft-cap"),
    ],
)
def test_another_model_fails_by_name(server: Server, twist: str, other: str, cause: str) -> None:
    fails, found = causes(twist, handed_in(other), server)
    assert fails
    assert cause in found


def test_each_twist_has_a_question_for_the_conversation() -> None:
    asked = {name for question in questions() for name in question.twists}
    assert asked == set(BY_NAME)


def test_the_words_say_what_it_is_and_what_is_asked() -> None:
    told = twists.explanation("without-post-norm", named(["post-norm"]))
    assert told.startswith("This is GPT-2's own pre-norm block, x = x + attn(norm1(x))")
    assert "the brief asks for a post-norm block, x = norm1(x + attn(x))" in told
    told = twists.explanation("unasked-swiglu", named(["relu-squared"]))
    assert told.startswith("This is a SwiGLU MLP")
    assert "the brief asks for an MLP with the square of ReLU" in told


def test_two_twists_that_do_not_go_together_are_refused() -> None:
    for names in ("post-norm,parallel-block", "alibi,sinusoidal", "multi-query,grouped-query"):
        first, second = names.split(",")
        with pytest.raises(TwistError, match=f"found {first} and {second}, which both say"):
            parsed(names)
    with pytest.raises(TwistError, match="there is no twist 'rotary'; there is: parallel-block"):
        parsed("rotary")
    with pytest.raises(TwistError, match="sliding-window=2 to sliding-window=4"):
        parsed("sliding-window=9")
    with pytest.raises(TwistError, match="only the exercise gpt2 takes twists"):
        EXERCISES["generation"].twisted(["swiglu"])


def test_names_and_specifications_say_the_same() -> None:
    names = ("swiglu", "sliding-window=2", "soft-cap")
    asked = named(names)
    assert asked == Specification(mlp="swiglu", window=2, cap=30.0)
    assert names_of(asked) == names
    assert names_of(GPT2) == ()
    assert drawn(3) == drawn(3)
    assert len({drawn(seed) for seed in range(20)}) > 10


@pytest.mark.parametrize("twist", BY_NAME)
def test_the_brief_says_it(twist: str) -> None:
    text = brief((twist,))
    assert f"What differs: `{twist}`." in text
    assert max(len(line) for line in text.splitlines() if line[:1] != "|") <= 101
    plain = " ".join(brief(()).split())
    said = [s for s in re.split(r"(?<=[.:]) ", " ".join(text.split())) if s not in plain]
    assert len(" ".join(said)) > 60  # more than its name
    for name in ("## The task", "## Constraints", "## Examples", "## How to check yourself"):
        assert text.count(name) == 1


def test_the_brief_and_the_stub_do_not_ask_for_what_is_not_asked() -> None:
    every = ("rmsnorm", "swiglu", "post-norm", "alibi", "no-biases", "tied-head")
    text = " ".join(brief(every).replace("nn.LayerNorm", "").split())
    for untrue in (
        "GELU",
        "4 * embed_dim",
        "x = x + attention(norm1(x))",
        "LayerNorm over",
        "or a bias",
    ):
        assert untrue not in text, untrue
    assert "GELU" not in stub(every)
    assert "pre-norm" not in stub(every)
    assert "GELU" in stub(())


@pytest.mark.parametrize("twist", BY_NAME)
def test_requirements_and_hints_fit(twist: str) -> None:
    asked = EXERCISES["gpt2"].twisted([twist])
    plain = EXERCISES["gpt2"].checks()
    told = asked.checks()
    assert told.keys() == plain.keys()
    assert [c.points for c in told.values()] == [c.points for c in plain.values()]
    assert any(told[key] != plain[key] for key in plain)
    assert all(len(check.hints) == 3 for check in told.values())
    if asked.asked.block != "pre-norm":
        hints = " ".join(h for c in told.values() if c.part == "TransformerBlock" for h in c.hints)
        assert "x = x + attn(norm1(x))" not in hints.replace("x + norm2(attn", "")
    assert topics((twist,))["mlp.gelu"].hints == told["test_mlp::test_gelu"].hints


def test_no_points_outweigh_a_twist(judge: Grade) -> None:
    exercise = EXERCISES["gpt2"].twisted(["swiglu"])
    results = tuple(
        CheckResult(c, "fail" if c.id == "mlp.gelu" else "pass") for c in exercise.checks().values()
    )
    report = Report("gpt2", "", "", "", 0, "from-scratch", "full", (), results, pass_mark=50)
    assert report.verdict == "fail"
    others = tuple(replace(r, check=replace(r.check, needed=False)) for r in results)
    assert replace(report, results=others).verdict == "pass"


def test_start_writes_brief_and_session(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    run = CliRunner().invoke(main, ["start", str(folder), "--twist", "swiglu,alibi"])
    assert run.exit_code == 0, run.output
    assert "SwiGLU" in (folder / "README.md").read_text()
    assert session.read(folder).twists == ("swiglu", "alibi")
    first = json.loads((folder / "session.jsonl").read_text().splitlines()[0])
    assert first["twists"] == ["swiglu", "alibi"]


def test_a_twist_that_is_drawn_is_told_and_drawn_again(tmp_path: Path) -> None:
    command = ["start", str(tmp_path / "one"), "--twist", "random", "--seed", "3"]
    run = CliRunner().invoke(main, command)
    told = ",".join(drawn(3))
    assert f"Drawn with --seed 3: --twist {told}" in run.output
    assert session.read(tmp_path / "one").twists == drawn(3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--twist", "rotary"], "there is no twist 'rotary'"),
        (["--twist", "swiglu", "--exercise", "training"], "--twist is of --exercise gpt2"),
        (["--twist", "swiglu", "--seed", "3"], "--bugs, --level and the like"),
    ],
)
def test_start_refuses(tmp_path: Path, options: list[str], words: str) -> None:
    run = CliRunner().invoke(main, ["start", str(tmp_path / "one"), *options])
    assert run.exit_code == 2
    assert words in run.output
    assert not (tmp_path / "one").exists()


def test_a_batch_goes_by_the_option_alone(tmp_path: Path) -> None:
    """The reports of another twist are not those of this one."""
    exercise = EXERCISES["gpt2"].twisted(["swiglu"])
    results = tuple(CheckResult(check, "pass") for check in exercise.checks().values())
    options = Options(seed=1, twists=("swiglu",))
    store = Store(tmp_path / "out", options)
    made = Report("gpt2", "", "", "abc", 1, "from-scratch", "full", (), results, twists=("swiglu",))
    store.keep("ada", replace(made, kit=identity(), timeout=options.timeout, budget=options.budget))
    assert Store(tmp_path / "out", options).finished("ada", "abc")
    assert not Store(tmp_path / "out", replace(options, twists=())).finished("ada", "abc")


def test_the_oracle_of_each_block_is_its_form() -> None:
    """Two ways to write down the same: the oracle's block, and the form that searches go by."""
    rng = np.random.default_rng(0)
    size, heads = 4, 2
    shapes = {"query": (heads, 2, size), "key": (heads, 2, size), "value": (heads, 2, size)}
    drawn_ = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    none = np.zeros((heads, 2))
    attention = oracle.Attention(
        **drawn_,
        out=rng.normal(size=(size, heads, 2)),
        query_bias=none,
        key_bias=none,
        value_bias=none,
        out_bias=np.zeros(size),
    )
    up, down = rng.normal(size=(8, size)), rng.normal(size=(size, 8))
    mlp = oracle.Mlp(up, np.zeros(8), down, np.zeros(size))
    norms = [oracle.Norm(rng.normal(size=size), np.zeros(size)) for _ in range(4)]
    x = rng.normal(size=(2, 3, size))
    for kind, form in BLOCKS.items():
        first, second, *rest = norms[: form.norms]
        block = (
            oracle.Block(first, attention, rest[0], mlp, (second, rest[1]))
            if rest
            else oracle.Block(first, attention, second, mlp)
        )
        asked = Specification(block=kind, norm="rms")
        expected = form.compute(
            x,
            lambda h: oracle.attention(h, attention),
            lambda h: oracle.mlp(h, mlp, oracle.gelu_exact),
            *(lambda h, n=n: oracle.rms_norm(h, n) for n in norms[: form.norms]),
        )
        assert np.allclose(oracle.block(x, block, oracle.gelu_exact, asked), expected)


def test_slopes_sinusoids_and_windows() -> None:
    assert np.allclose(oracle.slopes(2), [1 / 16, 1 / 256])
    assert np.allclose(oracle.slopes(3)[-1], 1 / 256)
    table = oracle.sinusoids(2, 5)
    assert np.allclose(table[0], [0, 1, 0, 1, 0])
    assert np.allclose(table[1, :2], [np.sin(1), np.cos(1)])
    assert np.allclose(table[1, 4], np.sin(1 / 10000 ** (4 / 5)))
    seen = ~oracle.hidden_positions(5, 3)
    assert seen[4].tolist() == [False, False, True, True, True]
    assert seen[0].tolist() == [True, False, False, False, False]
