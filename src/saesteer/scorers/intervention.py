"""Intervention: does adding the latent make a model write what the explanation says? The link to steering.

Each latent is added with the strength at which the steered model is `target` nats from the plain one, along
what the plain one wrote; then the model writes, steered and plain, from the same prompts by the same luck.
The score: how many nats less surprising the explanation is after the steered text than after the plain one.
Controls: another latent, added as far; the explanation of another latent, after the same texts. Knows one
model and its SAEs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, UnknownName
from saesteer.examples import Explanation, Failure, LatentRecord, Score
from saesteer.examples.luck import digest_luck
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel
from saesteer.saes import SAE, check_one_space
from saesteer.scorers.aside import MODELS
from saesteer.scorers.asking import fingerprint_of, judged, text_or_failure, without_answers
from saesteer.scorers.reading import Reading, reading_of
from saesteer.scorers.strength import Found, find_strengths
from saesteer.steering import Where
from saesteer.steering.vectors import steer_vectors

PROMPTS: Final = ("I think", "One day", "This is", "When she", "They said that", "In the end", "It was", "He")
"""Openings that lead nowhere in particular."""


@dataclass(frozen=True)
class Written:
    """What was written from one prompt by one stroke of luck."""

    prompt: str
    sample: int
    plain: str
    steered: str
    control: str
    """Steered by the other latent."""


@dataclass(frozen=True, eq=False)
class Intervention:
    """Generates `n` texts per prompt, three times: plain, steered, steered by another latent."""

    lm: LanguageModel
    saes: Mapping[str, SAE]
    """By the cache's names for them."""
    target: float = 0.3
    """Mean KL of the steered model to the plain one, in nats per token."""
    reading: str | Reading = "behind"
    """How the explanation is read: "behind" the text; or "titles", before it, as the embedded world's model
    reads; or a wording of one's own (see `Reading`)."""
    others: Sequence[str] = ()
    """Explanations of other latents, of which one is the shuffled control; none: that of the record, which a
    pipeline draws from what it has explained; without either there is no such control.
    """
    prompts: Sequence[str] = PROMPTS
    n: int = 4
    max_new_tokens: int = 30
    temperature: float = 1.0
    seed: int = 0
    where: Where = field(default_factory=Where)

    name = "intervention"
    headline = "less_surprising"
    needs_explanation = True

    def __post_init__(self) -> None:
        if not self.prompts or isinstance(self.prompts, str) or self.n < 1 or self.max_new_tokens < 1:
            raise InputError("intervention needs a list of prompts, n and max_new_tokens of 1 or more")
        if not 0 < self.target < float("inf"):
            raise InputError(f"target is a KL above 0, in nats per token, got {self.target}")
        if isinstance(self.others, str):
            raise InputError(f"others is a list of explanations, got {self.others!r}")
        object.__setattr__(self, "reading", reading_of(self.reading))
        if isinstance(self.where, Mapping):
            object.__setattr__(self, "where", Where.from_dict(self.where))
        if not isinstance(self.where, Where):
            raise InputError(f"where is a mapping such as {{positions: generated}}, got {self.where!r}")
        for sae in self.saes.values():
            check_one_space(sae)
            hookpoint_of(self.lm, sae, None)

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """Nats less; rows are texts."""
        text = text_or_failure(explanation)
        if isinstance(text, Failure):
            return judged(without_answers(self.name, record, None, text), explanation)
        if record.id.sae not in self.saes:
            raise UnknownName.of("SAE of the intervention scorer", record.id.sae, list(self.saes))
        return judged(await MODELS(self._score, record, text), explanation)

    def fingerprint(self) -> str:
        names = ("target", "n", "max_new_tokens", "temperature", "seed")
        settings: dict[str, Any] = {each: getattr(self, each) for each in names}
        settings |= {"reading": reading_of(self.reading).settings(), "where": self.where.to_dict()}
        others = list(self.others) or "of the record"
        settings |= {"others": others, "prompts": list(self.prompts)}
        saes = {name: sae.fingerprint() for name, sae in self.saes.items()}
        model = {"model": self.lm.fingerprint(), **self.lm.arithmetic}
        return fingerprint_of(self.name, {**settings, **model, "saes": saes})

    def other_latent(self, record: LatentRecord) -> int:
        """The control, drawn by the seed."""
        d_sae = self.saes[record.id.sae].cfg.d_sae
        drawn = int(digest_luck(self.seed, "latent", str(record.id)).integers(d_sae - 1))
        return drawn + (drawn >= record.id.latent)

    @property
    def needs_other(self) -> bool:
        """Whether a record should hold the explanation of another latent."""
        return not self.others

    def other_explanation(self, record: LatentRecord, text: str) -> str | None:
        """The control, drawn by the seed; that of the record where there are no others."""
        if not self.others:
            return record.other.text if record.other is not None and record.other.text != text else None
        others = sorted({*self.others} - {text})
        if not others:
            return None
        return others[digest_luck(self.seed, "explanation", str(record.id)).integers(len(others))]

    def _score(self, record: LatentRecord, text: str) -> Score:
        sae = self.saes[record.id.sae]
        at = hookpoint_of(self.lm, sae, None)
        latents = (record.id.latent, self.other_latent(record))
        vectors = torch.stack([_unit(sae.direction(each)) for each in latents])
        whole = [f"{prompt}{text}" for prompt, text in zip(self._asked, self.plain, strict=True)]
        found = find_strengths(self.lm, at, vectors, whole, self._asked, self.target, self.where)
        if found[0].strength is None:
            why = f"adding {record.id} does not take the model {self.target} nats away: {found[0].outcome}"
            return without_answers(self.name, record, text, Failure("no_strength", why))
        written = self._write(at, vectors, found)
        return self._scored(record, text, written, found)

    @property
    def _asked(self) -> list[str]:
        """The prompt of each text."""
        return [prompt for prompt in self.prompts for _ in range(self.n)]

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """What the model writes by itself, sample by sample of each prompt."""
        return tuple(self._generate())

    def _write(self, at: str, vectors: Float[Tensor, "2 d"], found: Sequence[Found]) -> list[Written]:
        """A control that cannot be added as far is the plain text."""
        texts = []
        for vector, each in zip(vectors, found, strict=True):
            strengths = [each.strength or 0.0] * len(self.prompts)
            with steer_vectors(self.lm, at, vector.expand(len(self.prompts), -1), strengths, self.where):
                texts.append(self._generate())
        numbers = [sample for _ in self.prompts for sample in range(self.n)]
        rows = zip(self._asked, numbers, self.plain, *texts, strict=True)
        return [Written(*row) for row in rows]

    def _generate(self) -> list[str]:
        how = (self.n, self.max_new_tokens, self.temperature)
        made = self.lm.generate(list(self.prompts), *how, seed=self.seed).rows
        return [each.text for each in sorted(made, key=lambda each: (each.request, each.sample))]

    def _scored(
        self, record: LatentRecord, text: str, written: Sequence[Written], found: Sequence[Found]
    ) -> Score:
        shuffled = self.other_explanation(record, text)
        gains = {
            "less_surprising": self._gains(written, [each.steered for each in written], text),
            "random_latent": self._gains(written, [each.control for each in written], text),
        }
        if shuffled is not None:
            gains["shuffled"] = self._gains(written, [each.steered for each in written], shuffled)
        figures: dict[str, float | None] = {name: float(each.mean()) for name, each in gains.items()}
        figures |= {f"over_{name}": _over(figures, name) for name in gains if name != "less_surprising"}
        figures |= {"strength": found[0].strength, "kl": found[0].kl}
        figures |= {"random_strength": found[1].strength, "random_kl": found[1].kl}
        rows = tuple(
            {name: float(gains[name][number]) for name in gains}
            | {"prompt": each.prompt, "sample": each.sample, "plain": each.plain, "steered": each.steered}
            | {"control": each.control, "quantile": None, "kind": "active", "start": None}
            for number, each in enumerate(written)
        )
        return Score(record.id, self.name, text, figures["less_surprising"], figures, rows)

    def _gains(self, written: Sequence[Written], texts: Sequence[str], text: str) -> Float[np.ndarray, " n"]:
        """How much less surprising the explanation is after each of `texts` than after the plain one."""
        reading, prompts = reading_of(self.reading), [each.prompt for each in written]
        steered = reading.surprise(self.lm, prompts, texts, text)
        return reading.surprise(self.lm, prompts, [each.plain for each in written], text) - steered


def _over(figures: Mapping[str, float | None], name: str) -> float:
    return (figures["less_surprising"] or 0.0) - (figures[name] or 0.0)


def _unit(vector: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    length = vector.float().norm()
    return vector.float() / length if float(length) > 0 else vector.float()
