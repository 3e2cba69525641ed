"""How fluent and how varied a text is, apart from any judge. Knows a language model; no steering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from saesteer.errors import InputError
from saesteer.model import LanguageModel, Tokens


@dataclass(frozen=True)
class Surprise:
    """The negative log-likelihood of one text."""

    nats: float
    """Summed over the tokens."""
    tokens: int

    @property
    def per_token(self) -> float | None:
        """None for a text without tokens."""
        return self.nats / self.tokens if self.tokens else None


def surprise(
    lm: LanguageModel, texts: Sequence[str], prompts: Sequence[str] | None = None, batch: int = 64
) -> list[Surprise]:
    """How unlikely `lm` finds each text after its prompt; the prompt's own tokens do not count.

    Call it outside `steer`. Where the tokenizer merges letters across the seam, the text begins at the
    first token that is not the prompt's alone. The first token of a text without prompt counts only where
    the tokenizer puts a BOS before it. A row that retokenises longer than the model's context counts up to
    what fits, so that one odd text does not lose all others.
    """
    starts = [""] * len(texts) if prompts is None else list(prompts)
    if len(starts) != len(texts):
        raise InputError(f"{len(texts)} texts have {len(starts)} prompts; give one prompt per text")
    order = sorted(range(len(texts)), key=lambda i: len(starts[i]) + len(texts[i]))
    found: dict[int, Surprise] = {}
    for first in range(0, len(order), batch):
        chunk = order[first : first + batch]
        found.update(zip(chunk, _chunk(lm, [(starts[i], texts[i]) for i in chunk]), strict=True))
    return [found[i] for i in range(len(texts))]


def _chunk(lm: LanguageModel, pairs: list[tuple[str, str]]) -> list[Surprise]:
    told = [place for place, (_, text) in enumerate(pairs) if text]
    found = [Surprise(0.0, 0)] * len(pairs)
    if not told:
        return found
    room = lm.max_positions
    whole = lm.tokenize([pairs[place][0] + pairs[place][1] for place in told], max_length=room)
    starts = text_starts(lm, whole, [pairs[place][0] for place in told])
    if whole.ids.shape[1] < 2:
        return found
    nll = lm.nll(whole).double()
    for row, place in enumerate(told):
        start, end = starts[row], int(whole.mask[row].sum())
        found[place] = Surprise(float(nll[row, start - 1 : end - 1].sum()), max(0, end - start))
    return found


def text_starts(lm: LanguageModel, whole: Tokens, prompts: Sequence[str]) -> list[int]:
    """Per row where the text begins, from 1: at the first token that the prompt alone does not begin with."""
    known: dict[str, list[int]] = {"": []}
    if asked := sorted({prompt for prompt in prompts if prompt}):
        alone = lm.tokenize(asked)
        known |= {prompt: alone.ids[i][alone.mask[i]].tolist() for i, prompt in enumerate(asked)}
    ids = [row[mask].tolist() for row, mask in zip(whole.ids, whole.mask, strict=True)]
    return [max(1, _shared(ids[i], known[prompt])) for i, prompt in enumerate(prompts)]


def _shared(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def perplexity(
    lm: LanguageModel, texts: Sequence[str], prompts: Sequence[str] | None = None, batch: int = 64
) -> float:
    """exp of the mean nats per token over all tokens of all texts; texts without tokens add nothing."""
    return perplexity_of(surprise(lm, texts, prompts, batch))


def perplexity_of(found: Sequence[Surprise]) -> float:
    """exp of the mean nats per token over all tokens of all texts together."""
    tokens = sum(each.tokens for each in found)
    if not tokens:
        raise InputError(f"none of the {len(found)} texts has a token to predict; give longer texts")
    return math.exp(min(sum(each.nats for each in found) / tokens, 700.0))


def first_divergence(one: Sequence[int], other: Sequence[int]) -> int | None:
    """First Divergence Token: the place (from 0) of the first token in which two greedy continuations of one
    prompt differ, the end of the shorter one included; None where they are equal.
    """
    same = _shared(list(one), list(other))
    return None if same == len(one) == len(other) else same


def distinct_n(texts: Sequence[str], n: int) -> float | None:
    """Different n-grams of words over all n-grams, in [0, 1], texts taken together (Li et al. 2016).

    None where no text is n words long. It falls with the amount of text: compare equal amounts only.
    """
    if n < 1:
        raise InputError(f"n-grams have at least one word, got n = {n}; try 1 or 2")
    grams = [tuple(words[i : i + n]) for words in map(words_of, texts) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def words_of(text: str) -> list[str]:
    """What n-grams are made of."""
    return text.lower().split()
