"""Which bug a submission has: found by equality where it can be, by what was observed elsewhere."""

from grader.gpt2.diagnosis.consequences import marked
from grader.gpt2.diagnosis.diagnose import diagnose
from grader.gpt2.diagnosis.places import marks
from grader.gpt2.diagnosis.replay import replayed

__all__ = ["diagnose", "marked", "marks", "replayed"]
