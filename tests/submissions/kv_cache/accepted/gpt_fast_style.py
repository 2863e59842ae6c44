# verdict: pass
# style: gpt-fast's names: caches as modules that update gives anew, input_pos, masks by index
import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import functional as F


class KVCache(nn.Module):
    def __init__(self, k=None, v=None):
        super().__init__()
        self.register_buffer("k_cache", k)
        self.register_buffer("v_cache", v)

    def update(self, k_val, v_val):
        if self.k_cache is None:
            return KVCache(k_val, v_val)
        return KVCache(torch.cat([self.k_cache, k_val], 2), torch.cat([self.v_cache, v_val], 2))


class Attention(nn.Module):
    def __init__(self, dim, n_head, dropout):
        super().__init__()
        self.wqkv = nn.Linear(dim, 3 * dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.n_head, self.head_dim, self.dim = n_head, dim // n_head, dim
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, kv_cache: KVCache):
        bsz, seqlen, _ = x.shape
        q, k, v = self.wqkv(x).split([self.dim, self.dim, self.dim], dim=-1)
        q, k, v = map(lambda z: z.view(bsz, seqlen, self.n_head, self.head_dim).transpose(1, 2), (q, k, v))
        kv_cache = kv_cache.update(k, v)
        y = F.scaled_dot_product_attention(q, kv_cache.k_cache, kv_cache.v_cache, attn_mask=mask, dropout_p=0.0)
        y = y.transpose(1, 2).contiguous().view(bsz, seqlen, self.dim)
        return self.dropout(self.wo(y)), kv_cache


class FeedForward(nn.Module):
    def __init__(self, dim, dropout):
        super().__init__()
        self.w1, self.w2, self.dropout = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False), nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.w2(F.gelu(self.w1(x))))


class CachedGPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.pos_embeddings = nn.Embedding(block_size, embed_dim)
        self.attention_norms = nn.ModuleList(nn.LayerNorm(embed_dim, bias=False) for _ in range(num_layers))
        self.attentions = nn.ModuleList(Attention(embed_dim, num_heads, dropout_p) for _ in range(num_layers))
        self.ffn_norms = nn.ModuleList(nn.LayerNorm(embed_dim, bias=False) for _ in range(num_layers))
        self.feed_forwards = nn.ModuleList(FeedForward(embed_dim, dropout_p) for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dim, bias=False)
        self.output = nn.Linear(embed_dim, vocab_size, bias=False)
        self.register_buffer("causal_mask", torch.tril(torch.ones(block_size, block_size, dtype=torch.bool)), persistent=False)

    def forward(self, idx, cache=None):
        if cache is None:
            cache = {"input_pos": torch.zeros(0, dtype=torch.int32), "layers": [KVCache() for _ in self.attentions]}
        start = cache["input_pos"].numel()
        stop = start + idx.shape[1]
        if stop > self.causal_mask.shape[0]:
            raise ValueError(f"max_seq_length is {self.causal_mask.shape[0]}, asked for {stop}")
        input_pos = torch.arange(start, stop, dtype=torch.int32)
        mask = self.causal_mask[None, None, input_pos.long(), :stop]
        x = self.tok_embeddings(idx) + self.pos_embeddings(input_pos)
        layers = []
        for attn_norm, attn, ffn_norm, ffn, kv in zip(self.attention_norms, self.attentions, self.ffn_norms, self.feed_forwards, cache["layers"]):
            h, kv = attn(attn_norm(x), mask, kv)
            x = x + h
            x = x + ffn(ffn_norm(x))
            layers.append(kv)
        return self.output(self.norm(x)), {"input_pos": torch.cat([cache["input_pos"], input_pos]), "layers": layers}
