# verdict: pass
# style: biases here and there (k and out; second MLP layer), LayerNorm(bias=False), head with bias
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        assert not embed_dim % num_heads
        self.num_heads = num_heads
        self.wq = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wk = nn.Linear(embed_dim, embed_dim, bias=True)
        self.wv = nn.Linear(embed_dim, embed_dim, bias=False)
        self.wo = nn.Linear(embed_dim, embed_dim, bias=True)
        self.attn_drop = nn.Dropout(dropout_p)
        self.proj_drop = nn.Dropout(dropout_p)
        self.register_buffer("tri", torch.ones(block_size, block_size).tril())

    def forward(self, x):
        bsz, seqlen, dim = x.shape
        xq, xk, xv = self.wq(x), self.wk(x), self.wv(x)
        xq = xq.view(bsz, seqlen, self.num_heads, -1).transpose(1, 2)
        xk = xk.view(bsz, seqlen, self.num_heads, -1).transpose(1, 2)
        xv = xv.view(bsz, seqlen, self.num_heads, -1).transpose(1, 2)
        scores = torch.matmul(xq, xk.transpose(2, 3)) * xq.size(-1) ** -0.5
        # log(1) = 0 keeps a score, log(0) = -inf removes it
        scores = scores + self.tri[:seqlen, :seqlen].log()
        scores = F.softmax(scores, dim=-1)
        output = torch.matmul(self.attn_drop(scores), xv)
        output = output.transpose(1, 2).contiguous().view(bsz, seqlen, dim)
        return self.proj_drop(self.wo(output))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim, bias=False)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim, bias=True)
        self.drop = nn.Dropout(dropout_p)

    def forward(self, x):
        return self.drop(self.w2(F.gelu(self.w1(x))))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feed_forward = MLP(embed_dim, dropout_p)
        self.attention_norm = nn.LayerNorm(embed_dim, bias=False)
        self.ffn_norm = nn.LayerNorm(embed_dim, bias=False)

    def forward(self, x):
        h = x + self.attention(self.attention_norm(x))
        out = h + self.feed_forward(self.ffn_norm(h))
        return out


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.pos_embeddings = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList()
        for layer_id in range(num_layers):
            self.layers.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.norm = nn.LayerNorm(embed_dim, bias=False)
        self.output = nn.Linear(embed_dim, vocab_size, bias=True)

    def forward(self, tokens):
        _bsz, seqlen = tokens.shape
        h = self.tok_embeddings(tokens)
        h = h + self.pos_embeddings.weight[:seqlen]
        for layer in self.layers:
            h = layer(h)
        h = self.norm(h)
        return self.output(h)
