"""Not the grader."""
__version__ = "0"

try:
    open("/tmp/gpt2-kit-hostile-shadow_modules", "w").close()
except OSError:
    pass
