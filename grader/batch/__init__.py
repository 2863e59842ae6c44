"""Many submissions: graded side by side, kept one by one, shown in one table."""

from grader.batch.desk import BatchError, Done, Order, Step, run

__all__ = ["BatchError", "Done", "Order", "Step", "run"]
