# verdict: pass
# style: each prompt by itself from end to end, the model called for one row; padded with EOS at last
import torch


def _choose(logits, temperature, top_k, top_p, generator):
    if temperature == 0:
        return int(logits.argmax())
    p = (logits / temperature).softmax(0)
    ranked = sorted(range(len(p)), key=p.tolist().__getitem__, reverse=True)
    if top_k is not None:
        ranked = ranked[:top_k]
    weights = p[torch.tensor(ranked)]
    weights = weights / weights.sum()
    if top_p is not None:
        count, reached = 0, 0.0
        while count < len(ranked) and reached < top_p:
            reached += float(weights[count])
            count += 1
        weights = weights[:count]
    return ranked[int(torch.multinomial(weights, 1, generator=generator))]


def _continue(model, row, count, block_size, eos, *how):
    new = []
    while len(new) < count and (eos is None or not new or new[-1] != eos):
        context = torch.cat([row, row.new_tensor(new)])[-block_size:]
        new.append(_choose(model(context[None])[0, -1], *how))
    return new


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
    problems = {
        "idx must be (B, T), T at least 1": idx.ndim != 2 or idx.shape[-1] == 0,
        "max_new_tokens must not be negative": max_new_tokens < 0,
        "temperature must not be negative": temperature < 0,
        "top_k must be 1 or more": top_k is not None and top_k < 1,
        "top_p must be above 0 and at most 1": top_p is not None and not (0 < top_p <= 1),
    }
    for words, there in problems.items():
        if there:
            raise ValueError(words)
    with torch.no_grad():
        rows = [
            _continue(
                model, row, max_new_tokens, block_size, eos_token_id,
                temperature, top_k, top_p, generator,
            )
            for row in idx
        ]
    longest = max((len(row) for row in rows), default=0)
    padded = [row + [eos_token_id] * (longest - len(row)) for row in rows]
    new = torch.tensor(padded, dtype=torch.int64).reshape(len(rows), longest)
    return torch.cat([idx, new.to(idx.device)], dim=1)
