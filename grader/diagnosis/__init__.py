"""Which bug a submission has: found by equality where it can be, by what was observed elsewhere."""

from grader.diagnosis.consequences import marked
from grader.diagnosis.diagnose import diagnose
from grader.diagnosis.places import marks
from grader.diagnosis.replay import replayed

__all__ = ["diagnose", "marked", "marks", "replayed"]
