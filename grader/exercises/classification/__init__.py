"""Requirements of the exercise `classification`."""
