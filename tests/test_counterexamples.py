"""A counterexample is code that runs as it stands beside the submission and shows what it says."""

from __future__ import annotations

from code import InteractiveConsole
from collections.abc import Iterator

import pytest

from grader.catalogue import EXERCISES
from grader.check import Counterexample
from grader.gpt2.diagnosis.replay import Ran, agrees
from grader.grading import Options, grade
from grader.sandbox.client import Server
from grader.text import pasteable
from tests.bank import FOLDER, Known, base_of, known, some
from tests.conftest import Grade
from tests.counterexamples import broken_words
from tests.plain_python import PlainPython

# One for each form of code that there is; all others are judged by `pytest -m whole_bank`.
SHOWN = (
    *("wrong/mask_none_no_mask_at_all", "wrong/mask_after_softmax_times_tril"),
    *("wrong/dropout_ignored_in_attention", "wrong/mutates_input_writes_result_into_x"),
    *("generation/wrong/eos_any", "generation/wrong/top_p_one_more"),
    *("generation/wrong/seeded_inside", "generation/wrong/stratified_rows"),
    *("kv_cache/wrong/hidden_states_are_the_cache", "kv_cache/wrong/limit_off_by_one"),
    *("tokenizer/wrong/rest_of_text_copied", "tokenizer/wrong/cache_list_changed"),
    "tokenizer/wrong/none_returned_for_empty",
)


def _cases() -> list[object]:
    cases: list[object] = []
    for name in EXERCISES:
        folder = "wrong" if name == "gpt2" else f"{name}/wrong"
        bank = known(folder)
        few = [k for k in bank if f"{folder}/{k.path.stem}" in SHOWN]
        cases += some(bank, few, name)
    return cases


@pytest.fixture(scope="module")
def python() -> Iterator[PlainPython]:
    with PlainPython() as process:
        yield process


@pytest.mark.parametrize(("exercise", "submission"), _cases())
def test_code_keeps_its_word(
    server: Server, python: PlainPython, exercise: str, submission: Known
) -> None:
    options = Options(exercise, seed=1, base=base_of(exercise, submission.path))
    report = grade(submission.path, options, server=server)
    assert not list(broken_words(submission, exercise, report, python))


def test_counterexamples_are_small(judge: Grade) -> None:
    report = judge(FOLDER / "wrong" / "mask_none_no_mask_at_all.py", seed=9)
    result = next(r for r in report.results if r.check.id == "attention.causal")
    assert result.counterexample is not None
    assert "(1, 2, 6)" in result.counterexample.code


@pytest.mark.parametrize(
    ("claim", "printed", "raised", "kept"),
    [
        ("[[1 2]\n [3 4]]", "tensor([[1, 2],\n        [3, 4]])", "", True),
        ("[[1 2]\n [3 4]]", "tensor([[1, 2]])", "", False),
        ("[0.1235 1.    ]", "tensor([0.1235, 1.0000], dtype=torch.float64)", "", True),
        ("0.0, or what rounding leaves", "tensor(4.4409e-16)", "", True),
        ("0.0, or what rounding leaves", "tensor(0.0001)", "", False),
        ("about [0.25 0.75]", "tensor([0.2610, 0.7390])", "", True),
        ("about [0.25 0.75]", "tensor([0.3610, 0.6390])", "", False),
        ("ValueError", "", "ValueError: more than block_size", True),
        ("ValueError", "tensor(1.)", "", False),
        ("tensor(1.)", "", "ValueError: more than block_size", False),
        ("True False", "True False\n", "", True),
        ("list tuple bytes", "list tuple str", "", False),
        ("nan", "tensor(nan)", "", True),
    ],
)
def test_a_claim_is_kept(claim: str, printed: str, raised: str, kept: bool) -> None:
    assert agrees(claim, Ran(printed, raised)) is kept


def test_code_can_be_pasted(judge: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(FOLDER / "wrong" / "mask_none_no_mask_at_all.py", seed=9)
    codes = [found.code for found in map(_shown, report.results) if found]
    assert codes
    for code in [*codes, pasteable("for n in (1, 2):\n    print(n)\nprint(3)")]:
        console = InteractiveConsole()
        incomplete = [console.push(line) for line in [*code.splitlines()[6:], ""]]
        assert not incomplete[-1]
    assert "SyntaxError" not in capsys.readouterr().err


def _shown(result: object) -> Counterexample | None:
    found: Counterexample | None = getattr(result, "counterexample", None)
    return found
