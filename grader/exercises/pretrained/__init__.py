"""Requirements of the exercise `pretrained`."""
