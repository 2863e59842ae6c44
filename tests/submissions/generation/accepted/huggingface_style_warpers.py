# verdict: pass
# style: a warper for each of temperature, top-k and top-p, as Hugging Face has them; shifted mask
import torch


class Temperature:
    def __init__(self, t):
        self.t = t

    def __call__(self, scores):
        return scores / self.t


class TopK:
    def __init__(self, k):
        self.k = k

    def __call__(self, scores):
        k = min(self.k, scores.shape[-1])
        remove = scores < torch.topk(scores, k)[0][..., -1, None]
        return scores.masked_fill(remove, float("-inf"))


class TopP:
    def __init__(self, p):
        self.p = p

    def __call__(self, scores):
        ordered, places = torch.sort(scores, descending=True)
        cumulative = ordered.softmax(dim=-1).cumsum(dim=-1)
        remove = cumulative > self.p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = False
        return scores.masked_fill(remove.scatter(1, places, remove), float("-inf"))


@torch.inference_mode()
def generate(
    model,
    idx,
    max_new_tokens,
    *,
    block_size,
    temperature=1.0,
    top_k=None,
    top_p=None,
    eos_token_id=None,
    generator=None,
):
    if idx.dim() != 2 or idx.size(1) < 1:
        raise ValueError("idx must be (B, T) with T >= 1")
    if max_new_tokens < 0 or temperature < 0:
        raise ValueError("max_new_tokens and temperature must not be negative")
    if top_k is not None and top_k < 1:
        raise ValueError("top_k must be at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError("top_p must be in (0, 1]")
    warpers = []
    if temperature != 0:
        warpers.append(Temperature(temperature))
        if top_k is not None:
            warpers.append(TopK(top_k))
        if top_p is not None and top_p < 1.0:
            warpers.append(TopP(top_p))
    unfinished = torch.ones(idx.shape[0], dtype=torch.long, device=idx.device)
    for _ in range(max_new_tokens):
        scores = model(idx[:, -block_size:])[:, -1, :]
        for warp in warpers:
            scores = warp(scores)
        if temperature == 0:
            tokens = scores.argmax(dim=-1)
        else:
            tokens = torch.multinomial(scores.softmax(-1), 1, generator=generator).squeeze(1)
        if eos_token_id is not None:
            tokens = tokens * unfinished + eos_token_id * (1 - unfinished)
            unfinished = unfinished.mul((tokens != eos_token_id).long())
        idx = torch.cat([idx, tokens[:, None]], dim=-1)
        if eos_token_id is not None and unfinished.max() == 0:
            break
    return idx.clone()
