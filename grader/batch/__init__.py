"""Many submissions: graded side by side, kept one by one, shown in one table."""

from grader.batch.runner import BatchConfig, BatchError, Done, Step, run

__all__ = ["BatchConfig", "BatchError", "Done", "Step", "run"]
