"""Many submissions: graded side by side, kept one by one, shown in one table."""

from grader.batch.desk import BatchError, Order, Step, run

__all__ = ["BatchError", "Order", "Step", "run"]
