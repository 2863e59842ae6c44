"""Which bug a submission has: found by equality where it can be, by what was observed elsewhere."""

from grader.diagnosis.consequences import marked
from grader.diagnosis.diagnose import diagnose

__all__ = ["diagnose", "marked"]
