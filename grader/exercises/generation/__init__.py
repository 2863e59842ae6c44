"""Requirements of the exercise `generation`."""
