# verdict: pass
# style: one uniform number for each row, laid on the cumulative sum; written in one loop
import torch
import torch.nn.functional as F


def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None,
             eos_token_id=None, generator=None):
    if idx.ndim != 2 or not idx.shape[1] or max_new_tokens < 0 or temperature < 0:
        raise ValueError("idx is (B, T) with T >= 1; nothing else may be negative")
    if top_k is not None and top_k < 1 or top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_k={top_k} or top_p={top_p} leaves nothing to draw from")
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        finished = None
        for _ in range(max_new_tokens):
            logits = model(idx if idx.shape[1] <= block_size else idx[:, -block_size:])[:, -1]
            ranked, token_of = torch.sort(logits, dim=-1, descending=True)
            if temperature == 0:
                rank = torch.zeros(len(idx), 1, dtype=torch.long)
            else:
                ranked = ranked / temperature
                if top_k is not None:
                    ranked[:, top_k:] = float("-inf")
                line = F.softmax(ranked, dim=-1).cumsum(-1)
                end = line[:, -1:]
                if top_p is not None:
                    # The first place at which the line has come to top_p is the last that is in.
                    last = (line < top_p).sum(-1, keepdim=True).clamp(max=line.shape[1] - 1)
                    end = line.gather(1, last)
                u = torch.rand(len(idx), 1, generator=generator, dtype=line.dtype) * end
                rank = (line <= u).sum(-1, keepdim=True).clamp(max=line.shape[1] - 1)
            token = token_of.gather(1, rank)
            if eos_token_id is not None:
                if finished is not None:
                    token[finished] = eos_token_id
                finished = token[:, 0] == eos_token_id
            idx = torch.cat((idx, token), 1)
            if finished is not None and bool(finished.all()):
                return idx
        return idx.clone()
    finally:
        torch.set_grad_enabled(before)
