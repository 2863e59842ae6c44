"""Requirements of the exercise `tokenizer`."""
