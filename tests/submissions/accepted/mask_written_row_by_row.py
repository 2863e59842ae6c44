# verdict: pass
# style: causal mask filled in by a Python loop over t, one row at a time; everything spelled out
import torch
import torch.nn as nn
import torch.nn.functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.query_layer = nn.Linear(embed_dim, embed_dim)
        self.key_layer = nn.Linear(embed_dim, embed_dim)
        self.value_layer = nn.Linear(embed_dim, embed_dim)
        self.output_layer = nn.Linear(embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        batch_size, seq_len, _ = x.shape

        # Step 1: projections
        queries = self.query_layer(x)
        keys = self.key_layer(x)
        values = self.value_layer(x)

        # Step 2: split into heads
        queries = queries.reshape(batch_size, seq_len, self.num_heads, self.head_dim)
        keys = keys.reshape(batch_size, seq_len, self.num_heads, self.head_dim)
        values = values.reshape(batch_size, seq_len, self.num_heads, self.head_dim)
        queries = queries.transpose(1, 2)
        keys = keys.transpose(1, 2)
        values = values.transpose(1, 2)

        # Step 3: attention scores
        scores = torch.matmul(queries, keys.transpose(2, 3))
        scores = scores / (self.head_dim**0.5)

        # Step 4: nobody may look ahead
        blocked = torch.zeros(seq_len, seq_len, dtype=torch.bool, device=x.device)
        for t in range(seq_len):
            blocked[t, t + 1 :] = True
        scores = scores.masked_fill(blocked, float("-inf"))

        # Step 5: weights, and weighted sum of the values
        weights = F.softmax(scores, dim=3)
        weights = self.dropout(weights)
        context = torch.matmul(weights, values)

        # Step 6: put the heads back together
        context = context.transpose(1, 2)
        context = context.reshape(batch_size, seq_len, self.embed_dim)

        # Step 7: output projection
        output = self.output_layer(context)
        output = self.dropout(output)
        return output


class MLP(nn.Module):
    def __init__(self, embed_dim, dropout_p=0.0):
        super().__init__()
        self.hidden_layer = nn.Linear(embed_dim, 4 * embed_dim)
        self.output_layer = nn.Linear(4 * embed_dim, embed_dim)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, x):
        hidden = self.hidden_layer(x)
        hidden = F.gelu(hidden)
        output = self.output_layer(hidden)
        output = self.dropout(output)
        return output


class TransformerBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, block_size, dropout_p=0.0):
        super().__init__()
        self.first_norm = nn.LayerNorm(embed_dim)
        self.attention = CausalSelfAttention(embed_dim, num_heads, block_size, dropout_p)
        self.second_norm = nn.LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, dropout_p)

    def forward(self, x):
        attention_output = self.attention(self.first_norm(x))
        x = x + attention_output
        mlp_output = self.mlp(self.second_norm(x))
        x = x + mlp_output
        return x


class GPT2(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_heads, num_layers, block_size, dropout_p=0.0):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(block_size, embed_dim)
        self.dropout = nn.Dropout(dropout_p)
        block_list = []
        for i in range(num_layers):
            block_list.append(TransformerBlock(embed_dim, num_heads, block_size, dropout_p))
        self.blocks = nn.ModuleList(block_list)
        self.final_norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size, bias=False)

    def forward(self, idx):
        batch_size, seq_len = idx.shape
        positions = torch.arange(seq_len, device=idx.device)
        token_vectors = self.token_embedding(idx)
        position_vectors = self.position_embedding(positions)
        x = self.dropout(token_vectors + position_vectors)
        for i in range(len(self.blocks)):
            x = self.blocks[i](x)
        x = self.final_norm(x)
        logits = self.head(x)
        return logits
