# verdict: fail
# part: MLP
# causes: relu width-2x
# style: query alone and keys with values fused; a feed-forward as in an old seq2seq notebook
import torch
import torch.nn as nn


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        B, T, C = x.shape
        H = self.num_heads
        D = C // H
        q = self.query(x).reshape(B, T, H, D).permute(0, 2, 1, 3) / D**0.5
        k, v = self.key_value(x).reshape(B, T, 2, H, D).permute(2, 0, 3, 1, 4).unbind(0)
        energy = q.matmul(k.permute(0, 1, 3, 2))
        visible = torch.tril(torch.ones(T, T, dtype=torch.bool, device=x.device))
        energy = torch.where(visible, energy, energy.new_tensor(float("-inf")))
        attention = self.dropout(energy.softmax(-1))
        context = attention.matmul(v).permute(0, 2, 1, 3).reshape(B, T, C)
        return self.dropout(self.output(context))


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        hidden_dim = 2 * embed_dim
        self.fc_1 = nn.Linear(embed_dim, hidden_dim)
        self.fc_2 = nn.Linear(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        x = self.dropout(torch.relu(self.fc_1(x)))
        x = self.dropout(self.fc_2(x))
        return x


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(embed_dim)
        self.ff_layer_norm = nn.LayerNorm(embed_dim)
        self.self_attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.feedforward = MLP(embed_dim, dropout_p)

    def forward(self, x):
        normed = self.self_attn_layer_norm(x)
        x = x + self.self_attention(normed)
        normed = self.ff_layer_norm(x)
        x = x + self.feedforward(normed)
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.tok_embedding = nn.Embedding(vocab_size, embed_dim)
        self.pos_embedding = nn.Embedding(block_size, embed_dim)
        self.layers = nn.ModuleList(
            [
                TransformerBlock(embed_dim, num_heads, block_size, dropout_p)
                for _ in range(num_layers)
            ]
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.fc_out = nn.Linear(embed_dim, vocab_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, idx):
        batch_size, trg_len = idx.shape
        pos = torch.arange(0, trg_len, device=idx.device).unsqueeze(0).repeat(batch_size, 1)
        x = self.dropout(self.tok_embedding(idx) + self.pos_embedding(pos))
        for layer in self.layers:
            x = layer(x)
        return self.fc_out(self.layer_norm(x))
