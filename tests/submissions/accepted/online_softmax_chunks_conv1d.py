# verdict: pass
# style: flash-attention by hand (running maximum and sum over key chunks), nn.Conv1d projections
import torch
import torch.nn as nn


class Pointwise(nn.Conv1d):
    """A 1x1 convolution that takes and gives (B, T, C)."""

    def __init__(self, c_in, c_out):
        super().__init__(c_in, c_out, kernel_size=1)

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class CausalSelfAttention(nn.Module):
    CHUNK = 3

    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be a multiple of num_heads")
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.kqv = Pointwise(embed_dim, 3 * embed_dim)  # mind the order: k, q, v
        self.mix = Pointwise(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        kqv = self.kqv(x).reshape(B, T, 3, self.num_heads, self.head_dim)
        k, q, v = kqv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, T, D) each
        q = q * self.head_dim ** -0.5
        rows = [self.attend(q, k, v, i) for i in range(0, T, self.CHUNK)]
        y = torch.cat(rows, dim=2)
        return self.drop(self.mix(y.transpose(1, 2).reshape(B, T, C)))

    def attend(self, q, k, v, start):
        """Queries start .. start + CHUNK against all the keys they may see, chunk by chunk."""
        q = q[:, :, start:start + self.CHUNK]
        n = q.size(2)
        qpos = torch.arange(start, start + n, device=q.device).unsqueeze(1)
        top = q.new_full((*q.shape[:3], 1), float("-inf"))  # running maximum
        total = torch.zeros_like(top)                       # running sum of exponentials
        acc = torch.zeros_like(q)                           # running weighted sum of values
        # chunk 0 comes first and holds key 0, which all may see: top is finite ever after
        for j in range(0, start + n, self.CHUNK):
            kj, vj = k[:, :, j:j + self.CHUNK], v[:, :, j:j + self.CHUNK]
            kpos = torch.arange(j, j + kj.size(2), device=q.device)
            s = (q @ kj.transpose(-1, -2)).masked_fill(kpos > qpos, float("-inf"))
            new_top = torch.maximum(top, s.amax(dim=-1, keepdim=True))
            shrink = torch.exp(top - new_top)
            e = torch.exp(s - new_top)
            total = total * shrink + e.sum(dim=-1, keepdim=True)
            acc = acc * shrink + self.drop(e) @ vj
            top = new_top
        return acc / total


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.expand = Pointwise(embed_dim, 4 * embed_dim)
        self.act = nn.GELU(approximate="tanh")
        self.contract = Pointwise(4 * embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.contract(self.act(self.expand(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        # GroupNorm with one group, on (B*T, C): the same as LayerNorm over C
        self.norms = nn.ModuleList(nn.GroupNorm(1, embed_dim) for _ in range(2))
        self.attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def normed(self, i, x):
        n = self.norms[i]
        y = torch.group_norm(x.flatten(0, 1), 1, n.weight, n.bias, n.eps)
        return y.view_as(x)

    def forward(self, x):
        x = x.contiguous()
        x = x + self.attn(self.normed(0, x))
        return x + self.mlp(self.normed(1, x))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout_p)
        self.blocks = nn.ModuleList()
        for i in range(num_layers):
            self.blocks.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = Pointwise(embed_dim, vocab_size)

    def forward(self, idx):
        x = self.drop(self.tok(idx) + self.pos.weight[:idx.size(1)])
        for block in self.blocks:
            x = block(x)
        return self.to_logits(self.norm(x))
