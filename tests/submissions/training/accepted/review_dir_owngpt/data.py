import torch
def get_batch(data, batch_size, block_size, *, generator=None):
    last = data.shape[0] - block_size - 1
    if last < 0:
        raise ValueError(f"{len(data)} tokens are too few")
    i = torch.empty(batch_size, dtype=torch.int64).random_(0, last + 1, generator=generator)
    i = i[:, None] + torch.arange(block_size)[None]
    return data.take(i), data.take(i + 1)
