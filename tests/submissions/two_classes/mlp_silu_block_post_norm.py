# verdict: fail
# causes: MLP:silu TransformerBlock:post-norm
# style: BERT names (dense, LayerNorm after the sum, transpose_for_scores), swish in the MLP
import math

import torch
from torch import nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_attention_heads = num_heads
        self.attention_head_size = embed_dim // num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.dense = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def transpose_for_scores(self, x):
        new_shape = x.size()[:-1] + (self.num_attention_heads, self.attention_head_size)
        return x.view(new_shape).permute(0, 2, 1, 3)

    def get_extended_attention_mask(self, hidden_states):
        length = hidden_states.size(1)
        ids = torch.arange(length, device=hidden_states.device)
        causal_mask = ids[None, :] <= ids[:, None]
        causal_mask = causal_mask.to(hidden_states.dtype)
        return (1.0 - causal_mask) * torch.finfo(hidden_states.dtype).min

    def forward(self, x):
        query_layer = self.transpose_for_scores(self.query(x))
        key_layer = self.transpose_for_scores(self.key(x))
        value_layer = self.transpose_for_scores(self.value(x))
        attention_scores = torch.matmul(query_layer, key_layer.transpose(-1, -2))
        attention_scores = attention_scores / math.sqrt(self.attention_head_size)
        attention_scores = attention_scores + self.get_extended_attention_mask(x)
        attention_probs = nn.functional.softmax(attention_scores, dim=-1)
        attention_probs = self.dropout(attention_probs)
        context_layer = torch.matmul(attention_probs, value_layer)
        context_layer = context_layer.permute(0, 2, 1, 3).contiguous()
        context_layer = context_layer.view(x.size())
        return self.dropout(self.dense(context_layer))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.dense_in = nn.Linear(embed_dim, 4 * embed_dim)
        self.intermediate_act_fn = nn.SiLU()
        self.dense_out = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden_states = self.intermediate_act_fn(self.dense_in(x))
        hidden_states = self.dense_out(hidden_states)
        return self.dropout(hidden_states)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention_LayerNorm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.output_LayerNorm = nn.LayerNorm(embed_dim)

    def forward(self, x):
        attention_output = self.attention_LayerNorm(self.attention(x) + x)
        layer_output = self.output_LayerNorm(self.mlp(attention_output) + attention_output)
        return layer_output


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dim)
        self.position_embeddings = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        self.layer = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.LayerNorm = nn.LayerNorm(embed_dim)
        self.decoder = nn.Linear(embed_dim, vocab_size)

    def forward(self, idx):
        position_ids = torch.arange(idx.size(1), device=idx.device)
        embeddings = self.word_embeddings(idx) + self.position_embeddings(position_ids)
        hidden_states = self.dropout(embeddings)
        for layer_module in self.layer:
            hidden_states = layer_module(hidden_states)
        return self.decoder(self.LayerNorm(hidden_states))
