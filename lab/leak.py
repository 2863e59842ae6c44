"""How low a loss may be believed: what a text costs when it is compressed."""

from __future__ import annotations

import lzma
import math

from lab.data.dataset import Dataset
from lab.data.tokens import Tokens

SUSPICIOUS = 1.0  # nats a token; above, nothing is looked into
# Large models take down to half of what lzma takes for prose. Far below lies what sees the answer.
_SHARE = 0.3
_LEARNED, _MEASURED = 2**20, 2**17  # tokens that are compressed: seconds


def allowed(dataset: Dataset, tokens: Tokens) -> float:
    """The least validation loss, in nats a token, that this text should allow.

    What the validation part adds to the compressed size of what comes before it: a text that is
    there twice may be learned by heart.
    """
    before = tokens.decode(dataset.train[-_LEARNED:].tolist()).encode()
    measured = dataset.validation[:_MEASURED].tolist()
    added = _size(before + tokens.decode(measured).encode()) - _size(before)
    return _SHARE * 8 * math.log(2) * added / max(1, len(measured))


def _size(data: bytes) -> int:
    return len(lzma.compress(data))
