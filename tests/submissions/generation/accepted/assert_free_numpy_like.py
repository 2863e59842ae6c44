# verdict: pass
# style: eval mode through modules(), positional-or-keyword arguments, while loop, log-probabilities
import torch


def generate(
    model,
    idx,
    max_new_tokens,
    block_size,
    temperature=1.0,
    top_k=None,
    top_p=None,
    eos_token_id=None,
    generator=None,
):
    if idx.dim() != 2 or idx.size(1) < 1:
        raise ValueError('idx must be (B, T) with T >= 1')
    if max_new_tokens < 0 or temperature < 0:
        raise ValueError('max_new_tokens and temperature must not be negative')
    if top_k is not None and top_k < 1:
        raise ValueError('top_k must be at least 1')
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError('top_p must be in (0, 1]')
    modes = [(m, m.training) for m in model.modules()]
    for m, _ in modes:
        m.training = False
    grad = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    finished = set()
    try:
        made = 0
        while made < max_new_tokens and len(finished) < idx.shape[0]:
            lp = torch.log_softmax(model(idx.narrow(1, max(0, idx.shape[1] - block_size), min(block_size, idx.shape[1])))[:, -1], -1)
            if temperature:
                lp = torch.log_softmax(lp / temperature, -1)
                ranked, where = lp.sort(descending=True)
                size = lp.shape[-1]
                keep = torch.arange(size) < (top_k or size)
                q = ranked.exp() * keep
                q = q / q.sum(-1, keepdim=True)
                if top_p is not None:
                    q = q * (q.cumsum(-1) - q < top_p)
                tok = where.gather(1, q.multinomial(1, generator=generator))
            else:
                tok = lp.argmax(-1, keepdim=True)
            if eos_token_id is not None:
                for n in range(idx.shape[0]):
                    if n in finished:
                        tok[n, 0] = eos_token_id
                    if tok[n, 0] == eos_token_id:
                        finished.add(n)
            idx = torch.concat([idx, tok], -1)
            made += 1
    finally:
        torch.set_grad_enabled(grad)
        for m, mode in modes:
            m.training = mode
    return idx
