# verdict: fail
# group: 2
# status: error|fail
# tries: pytest.skip, xfail, importorskip and exit(returncode=0) where the checks may be around
from torch import nn

try:
    import pytest
except ImportError:
    pytest = None


def skip(kind):
    if pytest is None:
        raise AssertionError("skipped")
    if kind == "skip":
        pytest.skip("nothing to see here", allow_module_level=True)
    if kind == "xfail":
        pytest.xfail("known to fail")
    if kind == "exit":
        pytest.exit("all done", returncode=0)
    pytest.importorskip("a_module_that_is_not_there")


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return skip("skip")


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.down = nn.Linear(embed_dim, embed_dim)

    def forward(self, x):
        return skip("xfail")


class TransformerBlock(CausalSelfAttention):
    def forward(self, x):
        return skip("import")


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        return skip("exit")
