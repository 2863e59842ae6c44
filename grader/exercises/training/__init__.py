"""Requirements of the exercise `training`."""
