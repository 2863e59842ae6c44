# verdict: fail
# part: GPT2
# cause: state-kept-between-calls
# style: self.past_len for generation goes on counting from call to call; HF-like names
import torch
from torch import nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.head_dim = embed_dim // num_heads
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.dropout = dropout_p

    def _shape(self, tensor, seq_len, bsz):
        tensor = tensor.view(bsz, seq_len, self.num_heads, self.head_dim)
        return tensor.transpose(1, 2).reshape(bsz * self.num_heads, seq_len, self.head_dim)

    def forward(self, hidden_states):
        bsz, tgt_len, _ = hidden_states.size()
        query = self._shape(self.q_proj(hidden_states) * self.head_dim**-0.5, tgt_len, bsz)
        key = self._shape(self.k_proj(hidden_states), tgt_len, bsz)
        value = self._shape(self.v_proj(hidden_states), tgt_len, bsz)
        attn_weights = torch.bmm(query, key.transpose(1, 2))
        mask = torch.full(
            (tgt_len, tgt_len),
            torch.finfo(attn_weights.dtype).min,
            dtype=attn_weights.dtype,
            device=attn_weights.device,
        )
        attn_weights = F.softmax(attn_weights + mask.triu(1), dim=-1)
        attn_probs = F.dropout(attn_weights, p=self.dropout, training=self.training)
        attn_output = torch.bmm(attn_probs, value)
        attn_output = attn_output.view(bsz, self.num_heads, tgt_len, self.head_dim)
        return self.out_proj(attn_output.transpose(1, 2).reshape(bsz, tgt_len, self.embed_dim))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = dropout_p

    def forward(self, hidden_states):
        hidden_states = F.gelu(self.fc1(hidden_states))
        return F.dropout(self.fc2(hidden_states), p=self.dropout, training=self.training)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.self_attn_layer_norm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)
        self.final_layer_norm = nn.LayerNorm(embed_dim)

    def forward(self, hidden_states):
        residual = hidden_states
        hidden_states = residual + self.self_attn(self.self_attn_layer_norm(hidden_states))
        residual = hidden_states
        return residual + self.mlp(self.final_layer_norm(hidden_states))


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, embed_dim)
        self.embed_positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.lm_head = nn.Linear(embed_dim, vocab_size, bias=False)
        self.block_size = block_size
        self.past_len = 0

    def forward(self, input_ids):
        seq_len = input_ids.size(1)
        positions = torch.arange(self.past_len, self.past_len + seq_len, device=input_ids.device)
        hidden_states = self.embed_tokens(input_ids)
        hidden_states = hidden_states + self.embed_positions(positions % self.block_size)
        self.past_len = self.past_len + seq_len
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return self.lm_head(self.layer_norm(hidden_states))
