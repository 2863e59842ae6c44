"""Whatever is wrong with a submission gets a message of its own, and the other checks still run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.results import Report
from tests.conftest import Grade

Write = Callable[[str], Path]


def statuses(report: Report, part: str) -> set[str]:
    return {r.status for r in report.results if r.check.part == part}


def messages(report: Report) -> str:
    return "\n".join(r.message + r.traceback for r in report.results)


def test_syntax_error(judge: Grade, write: Write) -> None:
    report = judge(write("import torch\n\nclass GPT2(:\n    pass\n"))
    assert report.verdict == "fail"
    assert "gpt2.py, line 3" in messages(report)
    assert "class GPT2(:\n               ^" in messages(report)


def test_utf_16(judge: Grade, tmp_path: Path, reference: str) -> None:
    path = tmp_path / "gpt2.py"
    path.write_bytes(reference.encode("utf-16"))
    assert judge(path).verdict == "pass"


def test_missing_class(judge: Grade, write: Write, reference: str) -> None:
    start, end = reference.index("class MLP"), reference.index("class TransformerBlock")
    report = judge(write(reference[:start] + reference[end:]))
    assert "expected a class MLP, found CausalSelfAttention, TransformerBlock, GPT2" in messages(
        report
    )
    assert statuses(report, "CausalSelfAttention") == {"pass"}


def test_not_a_class(judge: Grade, write: Write, reference: str) -> None:
    report = judge(write(reference + "\nMLP = 3\n"))
    assert "expected MLP to be a class, found not a class but int" in messages(report)


def test_error_at_import(judge: Grade, write: Write, reference: str) -> None:
    report = judge(write(reference + "\nprint(undefined_name)\n"))
    assert report.verdict == "fail"
    assert "NameError: name 'undefined_name' is not defined" in messages(report)


def test_exit_at_import(judge: Grade, write: Write, reference: str) -> None:
    assert judge(write(reference + "\nraise SystemExit(0)\n")).verdict == "fail"
    assert judge(write(reference + "\nimport os\nos._exit(0)\n")).verdict == "fail"


def test_exception_in_init_has_the_candidates_traceback(
    judge: Grade, write: Write, reference: str
) -> None:
    text = reference.replace("self.up_proj = nn", "self.width = 1 / 0\n        self.up_proj = nn")
    report = judge(write(text))
    signature = next(r for r in report.results if r.check.id == "mlp.signature")
    assert signature.status == "error"
    assert "ZeroDivisionError" in signature.message
    assert "self.width = 1 / 0" in signature.traceback
    assert "grader" not in signature.traceback
    assert statuses(report, "CausalSelfAttention") == {"pass"}


def test_hang_costs_its_own_part_only(judge: Grade, write: Write, reference: str) -> None:
    text = reference.replace("hidden = self", "while True: pass\n        hidden = self")
    started = time.monotonic()
    report = judge(write(text), timeout=0.5)
    assert time.monotonic() - started < 60
    assert statuses(report, "CausalSelfAttention") == {"pass"}
    assert "timeout" in statuses(report, "MLP")
    assert "no answer within" in messages(report)


def test_crash_costs_its_own_part_only(judge: Grade, write: Write, reference: str) -> None:
    crash = "import faulthandler; faulthandler._sigsegv()\n        hidden = self"
    report = judge(write(reference.replace("hidden = self", crash)))
    assert statuses(report, "CausalSelfAttention") == {"pass"}
    assert "SIGSEGV" in messages(report)


def test_memory(judge: Grade, write: Write, reference: str) -> None:
    hog = "torch.ones(10**10)\n        hidden = self"
    report = judge(write(reference.replace("hidden = self", hog)))
    assert "memory" in statuses(report, "MLP")


def test_partly_written(judge: Grade, write: Write, reference: str) -> None:
    start = reference.index("class TransformerBlock")
    stub = reference[start:].replace(
        "        super().__init__()\n",
        "        super().__init__()\n        raise NotImplementedError\n",
    )
    report = judge(write(reference[:start] + stub))
    assert report.score == 55
    assert statuses(report, "CausalSelfAttention") == statuses(report, "MLP") == {"pass"}
    assert statuses(report, "TransformerBlock") == {"todo"}


JUNK = {
    "nan": "return self.dropout(self.down_proj(hidden)) * float('nan')",
    "inf": "return self.dropout(self.down_proj(hidden)) / 0",
    "zeros": "return torch.zeros_like(x)",
    "input": "return x",
    "transposed": "return self.down_proj(hidden).transpose(-1, -2)",
    "broadcastable": "return self.down_proj(hidden).mean(0, keepdim=True)",
    "scalar": "return self.down_proj(hidden).sum()",
    "float32": "return self.down_proj(hidden).float()",
    "half": "return self.down_proj(hidden).half()",
    "integer": "return self.down_proj(hidden).long()",
    "complex": "return self.down_proj(hidden).to(torch.complex64)",
    "sparse": "return self.down_proj(hidden).to_sparse()",
    "meta": "return self.down_proj(hidden).to('meta')",
    "too long": "return torch.cat([self.down_proj(hidden), x], dim=-1)",
    "empty": "return self.down_proj(hidden)[:0]",
    "huge": "return torch.zeros(1).expand(2**28)",
    "expanded": "return self.down_proj(hidden).mean().expand(x.shape)",
    "none": "return None",
    "list": "return [self.down_proj(hidden)]",
    "numpy": "return self.down_proj(hidden).detach().numpy()",
    "number": "return 0.0",
    "subclass": "return self.down_proj(hidden).as_subclass(type('T', (torch.Tensor,), {}))",
}


# Judged by default; the others by `pytest -m whole_bank`.
COMMON = ("nan", "inf", "zeros", "transposed", "broadcastable", "float32", "too long", "none")
MORE = [pytest.param(name, marks=pytest.mark.whole_bank) for name in JUNK if name not in COMMON]


@pytest.mark.parametrize("junk", [*COMMON, *MORE])
def test_junk_output_fails_and_the_judge_stands(
    judge: Grade, write: Write, reference: str, junk: str
) -> None:
    old = "return self.dropout(self.down_proj(hidden))"
    assert old in reference
    report = judge(write(reference.replace(old, JUNK[junk])))
    assert report.verdict == "fail"
    assert "internal" not in {r.status for r in report.results}
    assert report.parts()["CausalSelfAttention"]
    assert statuses(report, "CausalSelfAttention") == {"pass"}


# Added to the reference: what nothing uses, and what a class does.
UNUSED = (
    "import numpy",
    "import no_such_package",
    "from torch.nn import MultiheadAttention",
    "LAYER = nn.TransformerEncoderLayer",
    "LAYER = getattr(nn, 'MultiheadAttention')",
    "if __name__ == '__main__':\n    import no_such_package",
)
USED = (
    "import numpy\nMLP.width = numpy.pi",
    "from torch.nn import MultiheadAttention as Layer\nMLP.layer = Layer",
    "LAYER = nn.TransformerEncoderLayer\nMLP.layer = LAYER",
    "MLP.layer = getattr(nn, 'MultiheadAttention')",
    "def width():\n    import numpy\n    return numpy.pi\nMLP.width = width()",
)


@pytest.mark.parametrize("lines", UNUSED)
def test_forbidden_parts_cost_nothing_unused(
    judge: Grade, write: Write, reference: str, lines: str
) -> None:
    report = judge(write(f"{reference}\n{lines}\n"))
    assert report.verdict == "pass"
    assert ("unused" in report.advisories) != ("__main__" in lines)


@pytest.mark.parametrize("lines", USED)
def test_forbidden_parts_that_are_used(
    judge: Grade, write: Write, reference: str, lines: str
) -> None:
    report = judge(write(f"{reference}\n{lines}\n"))
    assert report.verdict == "fail"
    policy = next(r for r in report.results if r.check.id == "submission.from_scratch")
    assert policy.status == "fail"


def test_forbidden_parts_are_allowed_by_the_other_policy(
    judge: Grade, write: Write, reference: str
) -> None:
    allowed = judge(write("\n".join([reference, *USED])), policy="any")
    assert allowed.verdict == "pass"
    assert allowed.score == 100
    assert "not-from-scratch" in allowed.advisories


def test_forbidden_parts_are_seen_at_work(judge: Grade, write: Write, reference: str) -> None:
    hidden = (
        "        self.secret = vars(nn)['Multihead' + 'Attention'](embed_dim, num_heads)\n"
        "        self.attn_norm = nn"
    )
    report = judge(write(reference.replace("        self.attn_norm = nn", hidden)))
    policy = next(r for r in report.results if r.check.id == "submission.from_scratch")
    assert policy.status == "fail"
    assert "MultiheadAttention" in policy.message
