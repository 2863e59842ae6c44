# verdict: pass
# style: own LayerNorm class (gamma, beta, eps 1e-12, rsqrt) after BERT code, erf GELU by hand
import math
import torch
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, hidden_size, variance_epsilon=1e-12):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(hidden_size))
        self.beta = nn.Parameter(torch.zeros(hidden_size))
        self.variance_epsilon = variance_epsilon

    def forward(self, x):
        u = x.mean(-1, keepdim=True)
        s = (x - u).pow(2).mean(-1, keepdim=True)
        x = (x - u) * torch.rsqrt(s + self.variance_epsilon)
        return self.gamma * x + self.beta


def gelu(x):
    """Implementation of the gelu activation function (exact)."""
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError(
                "The hidden size (%d) is not a multiple of the number of attention "
                "heads (%d)" % (embed_dim, num_heads)
            )
        self.num_attention_heads = num_heads
        self.attention_head_size = embed_dim // num_heads
        self.all_head_size = self.num_attention_heads * self.attention_head_size

        self.query = nn.Linear(embed_dim, self.all_head_size)
        self.key = nn.Linear(embed_dim, self.all_head_size)
        self.value = nn.Linear(embed_dim, self.all_head_size)
        self.dense = nn.Linear(self.all_head_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def transpose_for_scores(self, x):
        new_x_shape = x.size()[:-1] + (self.num_attention_heads, self.attention_head_size)
        return x.view(*new_x_shape).permute(0, 2, 1, 3)

    def forward(self, hidden_states):
        query_layer = self.transpose_for_scores(self.query(hidden_states))
        key_layer = self.transpose_for_scores(self.key(hidden_states))
        value_layer = self.transpose_for_scores(self.value(hidden_states))

        attention_scores = torch.matmul(query_layer, key_layer.transpose(-1, -2))
        attention_scores = attention_scores / math.sqrt(self.attention_head_size)
        attention_scores = attention_scores + self.extended_mask(hidden_states)

        attention_probs = nn.Softmax(dim=-1)(attention_scores)
        attention_probs = self.dropout(attention_probs)

        context_layer = torch.matmul(attention_probs, value_layer)
        context_layer = context_layer.permute(0, 2, 1, 3).contiguous()
        context_layer = context_layer.view(hidden_states.shape)
        return self.dropout(self.dense(context_layer))

    @staticmethod
    def extended_mask(hidden_states):
        n = hidden_states.size(1)
        ids = torch.arange(n, device=hidden_states.device)
        allowed = (ids[None, :] <= ids[:, None]).to(hidden_states.dtype)
        return (1.0 - allowed) * torch.finfo(hidden_states.dtype).min


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.intermediate = nn.Linear(embed_dim, 4 * embed_dim)
        self.output = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, hidden_states):
        hidden_states = gelu(self.intermediate(hidden_states))
        return self.dropout(self.output(hidden_states))


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.attention_ln = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.mlp_ln = LayerNorm(embed_dim)

    def forward(self, hidden_states):
        hidden_states = hidden_states + self.attention(self.attention_ln(hidden_states))
        hidden_states = hidden_states + self.mlp(self.mlp_ln(hidden_states))
        return hidden_states


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
        self.final_ln = LayerNorm(embed_dim)
        self.decoder = nn.Linear(embed_dim, vocab_size, bias=False)
        self.decoder.weight = self.word_embeddings.weight
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, input_ids):
        seq_length = input_ids.size(1)
        position_ids = torch.arange(seq_length, dtype=torch.long, device=input_ids.device)
        position_ids = position_ids.unsqueeze(0).expand_as(input_ids)
        x = self.word_embeddings(input_ids) + self.position_embeddings(position_ids)
        x = self.dropout(x)
        for layer_module in self.layer:
            x = layer_module(x)
        return self.decoder(self.final_ln(x)) + self.bias
