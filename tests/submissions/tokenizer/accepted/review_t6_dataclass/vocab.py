from dataclasses import dataclass, field


@dataclass(slots=True)
class Vocab:
    tokens: list[bytes] = field(default_factory=list)
    index: dict[bytes, int] = field(default_factory=dict)

    def add(self, token: bytes) -> int:
        self.index.setdefault(token, len(self.tokens))
        self.tokens.append(token)
        return len(self.tokens) - 1

    def __len__(self) -> int:
        return len(self.tokens)


def byte_order():
    shown = [b for b in range(256) if b in range(33, 127) or b in range(161, 173) or b in range(174, 256)]
    return shown + [b for b in range(256) if b not in shown]
