"""Requirements of the exercise `kv_cache`."""
