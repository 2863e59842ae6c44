"""What is handed in in place of code, by its name or its first bytes, and what to do about it."""

from __future__ import annotations

_OTHERWISE = "not a Python file. Give a file that ends in .py or .ipynb, a folder, or an archive."
_DOCUMENT = "Copy the code out of it into a text file that ends in .py."
# What is no code, by the endings of its names.
_KINDS = (
    (
        (".7z", ".rar", ".zst", ".tzst", ".lz", ".lz4", ".gz", ".bz2", ".xz", ".z", ".ace", ".dmg"),
        "an archive of a kind that is not read. Unpack it, or pack it as zip or tar.gz.",
    ),
    ((".pdf",), f"a PDF document, and no Python. {_DOCUMENT}"),
    ((".docx", ".doc", ".docm"), f"a Word document, and no Python. {_DOCUMENT}"),
    (
        (".odt", ".rtf", ".pages", ".gdoc", ".pptx", ".ppt", ".key", ".one", ".tex"),
        f"a document, and no Python. {_DOCUMENT}",
    ),
    (
        (
            *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".heic", ".heif", ".tif", ".tiff"),
            *(".svg", ".mov", ".mp4", ".mkv"),
        ),
        "a picture or film, and no Python. Get the code as a text.",
    ),
    ((".eml", ".msg", ".mbox"), "an e-mail. Save what is attached to it."),
    ((".url", ".webloc", ".desktop", ".lnk"), "a link. Save what it points to."),
    ((".pyc", ".pyo", ".pyd", ".so"), "compiled, and no text. Get the .py file it was made from."),
    (
        (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".npz", ".npy", ".pkl"),
        "weights, and no Python. Get the code that they are for.",
    ),
)
# The same by first bytes, whatever the name says.
_BYTES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive, or a document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"\xd0\xcf\x11\xe0", "an old Word document"),
    (b"bplist", "a link of a Mac"),
)


def why_not(name: str) -> str:
    """Why a file of this name is not read as code, and what to do."""
    lower = name.lower()
    return next((said for endings, said in _KINDS if lower.endswith(endings)), _OTHERWISE)


def is_known(name: str) -> bool:
    """Whether there is more to say of it than that it is no Python."""
    return why_not(name) != _OTHERWISE


def binary(raw: bytes) -> str:
    """What these bytes are, if that is plain and they are no text; else ""."""
    return next((what for start, what in _BYTES if raw.startswith(start)), "")
