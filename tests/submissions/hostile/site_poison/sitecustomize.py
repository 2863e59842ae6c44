try:
    open("/tmp/gpt2-kit-hostile-site_poison", "w").close()
except OSError:
    pass
