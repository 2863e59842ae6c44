"""What is proposed to be a part of a model that is written out in one piece."""

from __future__ import annotations

import numpy as np

from grader.gpt2.search.matching import MAX_ASSIGNMENTS, assignments


def test_nothing_is_searched_for_what_cannot_be_there() -> None:
    pool = [np.arange(6)] * 13  # 13! ways to choose, and none of them ends well
    assert list(assignments(pool, [*[(6,)] * 13, (6, 6)])) == []


def test_all_choices_are_given_and_no_more_than_so_many() -> None:
    pool = [np.arange(6)] * 3
    assert len(list(assignments(pool, [(6,)] * 2))) == 6
    assert len(list(assignments([np.arange(6)] * 9, [(6,)] * 9))) == MAX_ASSIGNMENTS
