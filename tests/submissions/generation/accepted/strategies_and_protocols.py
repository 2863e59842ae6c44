# verdict: pass
# style: one object for each rule, all applied in order; active rows only are given to the model
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

import torch
from torch import Tensor, nn

Rule = Callable[[Tensor], Tensor]


def hotter(temperature: float) -> Rule:
    return lambda logits: logits.div(temperature)


def best(k: int) -> Rule:
    def rule(logits: Tensor) -> Tensor:
        ranks = logits.argsort(descending=True).argsort()
        return torch.where(ranks < k, logits, float("-inf"))

    return rule


def nucleus(p: float) -> Rule:
    def rule(logits: Tensor) -> Tensor:
        probs = logits.softmax(-1)
        # What is more probable than a token, its elders among equals included, in one matrix.
        older = torch.ones(probs.shape[-1], probs.shape[-1]).tril(-1).bool()
        a, b = probs.unsqueeze(-1), probs.unsqueeze(-2)
        before = ((b > a) | ((b == a) & older)).to(probs.dtype)
        reached = (before @ probs.unsqueeze(-1)).squeeze(-1)
        return logits.masked_fill(reached >= p, float("-inf"))

    return rule


@dataclass
class Decoder:
    rules: list[Rule] = field(default_factory=list)
    greedy: bool = False
    generator: Optional[torch.Generator] = None

    def __call__(self, logits: Tensor) -> Tensor:
        if self.greedy:
            return logits.max(dim=-1).indices
        for rule in self.rules:
            logits = rule(logits)
        return logits.softmax(-1).multinomial(1, generator=self.generator).squeeze(1)


def _refuse(**conditions: bool) -> None:
    for name, bad in conditions.items():
        if bad:
            raise ValueError(f"{name} makes no sense")


@torch.no_grad()
def generate(
    model: nn.Module,
    idx: Tensor,
    max_new_tokens: int,
    *,
    block_size: int,
    temperature: float = 1.0,
    top_k: Optional[int] = None,
    top_p: Optional[float] = None,
    eos_token_id: Optional[int] = None,
    generator: Optional[torch.Generator] = None,
) -> Tensor:
    _refuse(
        idx=idx.dim() != 2 or idx.numel() == 0 and idx.shape[1] == 0,
        max_new_tokens=max_new_tokens < 0,
        temperature=temperature < 0,
        top_k=top_k is not None and top_k < 1,
        top_p=top_p is not None and (top_p > 1 or top_p <= 0),
    )
    decode = Decoder(greedy=temperature == 0, generator=generator)
    if not decode.greedy:
        decode.rules.append(hotter(temperature))
        decode.rules += [best(top_k)] if top_k is not None else []
        decode.rules += [nucleus(top_p)] if top_p is not None else []
    columns = [idx]
    active = torch.arange(len(idx))
    for _ in range(max_new_tokens):
        text = torch.cat(columns, 1)
        column = torch.full((len(idx), 1), -1 if eos_token_id is None else eos_token_id)
        column[active, 0] = decode(model(text[active, -block_size:])[:, -1])
        columns.append(column)
        if eos_token_id is not None:
            active = active[column[active, 0] != eos_token_id]
            if not len(active):
                break
    return torch.cat(columns, 1)
