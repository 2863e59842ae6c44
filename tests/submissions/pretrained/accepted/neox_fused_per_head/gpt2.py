import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_attention_heads = num_heads
        self.head_size = embed_dim // num_heads
        self.norm_factor = self.head_size**0.5
        self.query_key_value = nn.Linear(embed_dim, 3 * embed_dim)
        self.dense = nn.Linear(embed_dim, embed_dim)
        self.attention_dropout = nn.Dropout(dropout_p)
        self.hidden_dropout = nn.Dropout(dropout_p)
        bias = torch.tril(torch.ones((block_size, block_size), dtype=torch.bool))
        self.register_buffer("bias", bias.view(1, 1, block_size, block_size), persistent=False)

    def forward(self, hidden_states):
        # [batch, seq_len, (num_heads * 3 * head_size)]
        qkv = self.query_key_value(hidden_states)
        # --> [batch, seq_len, num_heads, 3 * head_size]
        new_qkv_shape = qkv.size()[:-1] + (self.num_attention_heads, 3 * self.head_size)
        qkv = qkv.view(*new_qkv_shape)
        # --> 3 [batch, num_attention_heads, seq_len, head_size]
        query = qkv[..., : self.head_size].permute(0, 2, 1, 3)
        key = qkv[..., self.head_size : 2 * self.head_size].permute(0, 2, 1, 3)
        value = qkv[..., 2 * self.head_size :].permute(0, 2, 1, 3)

        length = query.size(-2)
        attn_scores = torch.matmul(query, key.transpose(-1, -2)) / self.norm_factor
        causal_mask = self.bias[:, :, :length, :length]
        mask_value = torch.tensor(
            torch.finfo(attn_scores.dtype).min, dtype=attn_scores.dtype, device=attn_scores.device
        )
        attn_scores = torch.where(causal_mask, attn_scores, mask_value)
        attn_weights = nn.functional.softmax(attn_scores, dim=-1).to(value.dtype)
        attn_weights = self.attention_dropout(attn_weights)
        attn_output = torch.matmul(attn_weights, value).permute(0, 2, 1, 3).contiguous()
        attn_output = attn_output.view(attn_output.size()[:-2] + (-1,))
        return self.hidden_dropout(self.dense(attn_output))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(embed_dim, 4 * embed_dim)
        self.dense_4h_to_h = nn.Linear(4 * embed_dim, embed_dim)
        self.act = nn.GELU()
        self.hidden_dropout = nn.Dropout(dropout_p)

    def forward(self, hidden_states):
        hidden_states = self.dense_h_to_4h(hidden_states)
        hidden_states = self.act(hidden_states)
        hidden_states = self.dense_4h_to_h(hidden_states)
        return self.hidden_dropout(hidden_states)


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.input_layernorm = nn.LayerNorm(embed_dim)
        self.post_attention_layernorm = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, hidden_states):
        attn_output = self.attention(self.input_layernorm(hidden_states))
        attn_output = attn_output + hidden_states
        mlp_output = self.mlp(self.post_attention_layernorm(attn_output))
        return mlp_output + attn_output


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_in = nn.Embedding(vocab_size, embed_dim)
        self.embed_positions = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.final_layer_norm = nn.LayerNorm(embed_dim)
        self.embed_out = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        position_ids = torch.arange(idx.shape[1], device=idx.device).unsqueeze(0)
        hidden_states = self.embed_in(idx) + self.embed_positions(position_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return self.embed_out(self.final_layer_norm(hidden_states))
