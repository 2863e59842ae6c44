# verdict: pass
# style: of a review, icdf active
import torch
from torch import nn
def generate(model, idx, max_new_tokens, *, block_size, temperature=1.0, top_k=None, top_p=None, eos_token_id=None, generator=None):
    if idx.dim() != 2 or idx.shape[1] < 1:
        raise ValueError("idx must have shape (B, T) with T >= 1")
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens must not be negative")
    if temperature < 0:
        raise ValueError("temperature must not be negative")
    if top_k is not None and top_k < 1:
        raise ValueError("top_k must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError("top_p must be in (0, 1]")
    with torch.no_grad():
        B = idx.shape[0]
        rows = [r for r in idx.tolist()]
        T = idx.shape[1]
        active = list(range(B))
        for _ in range(max_new_tokens):
            if not active:
                break
            batch = torch.tensor([rows[b][-block_size:] for b in active], dtype=torch.long, device=idx.device)
            logits = model(batch)[:, -1]
            still = []
            for b, l in zip(active, logits):
                if temperature == 0:
                    t = int(l.argmax())
                else:
                    p = torch.softmax(l.double() / temperature, 0)
                    order = torch.argsort(p, descending=True)
                    q = p[order]
                    if top_k is not None:
                        q = q[:top_k]
                        q = q / q.sum()
                    c = q.cumsum(0)
                    if top_p is not None:
                        m = int((c < top_p).sum()) + 1
                        c = c[:m]
                    u = torch.rand((), generator=generator, dtype=torch.float64) * c[-1]
                    i = int(torch.searchsorted(c, u, right=True).clamp(max=len(c) - 1))
                    t = int(order[i])
                rows[b].append(t)
                if t != eos_token_id:
                    still.append(b)
            active = still
        n = max((len(r) for r in rows), default=T)
        return torch.tensor([r + [eos_token_id] * (n - len(r)) for r in rows], dtype=torch.long, device=idx.device)
