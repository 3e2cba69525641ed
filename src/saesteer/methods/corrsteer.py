"""CorrSteer: the latents that go with success in the model's own texts, as a judge sees it.

Arxiv 2508.12535, restated: no contrasting texts and no backward pass, but texts, a judge and correlations.
Knows judges and latents of generated tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float

from saesteer.concepts.neutral import neutral_prompts
from saesteer.errors import InputError, SaesteerError
from saesteer.judges import CheckingJudge, Judge, JudgeRequest, open_judge
from saesteer.latents import hookpoint_of
from saesteer.methods.diffmean import diffmean
from saesteer.methods.direction import provenance_of
from saesteer.methods.latent_spec import latents_spec
from saesteer.model import Generation, LanguageModel, Tokens
from saesteer.runs import digest
from saesteer.saes import SAE, check_one_space
from saesteer.steering import SteeringSpec, steer
from saesteer.text import load_concept
from saesteer.text.concept import Concept

_POOL: Final = 16  # latents that the first half hands to the second
_FEWEST: Final = 8  # judged texts in each half
_ROWS: Final = 32  # texts whose latents are held dense at once


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Judged texts and what the SAE saw in them."""

    latents: Float[np.ndarray, "texts d_sae"]
    """The largest activation over a text's generated tokens."""
    score: Float[np.ndarray, " texts"]
    """The judge's behaviour, from 0 to 1."""

    def part(self, which: Bool[np.ndarray, " texts"]) -> Outcomes:
        """Some of the texts."""
        return Outcomes(self.latents[which], self.score[which])


def corrsteer(
    lm: LanguageModel,
    concept: Concept | str,
    sae: SAE,
    at: str | None = None,
    *,
    judge: str | Judge = "oracle",
    prompts: Sequence[str] | None = None,
    texts: int = 256,
    max_new_tokens: int = 40,
    light: float = 0.0,
    top: int = 1,
    strength: float | None = None,
    seed: int = 0,
    source: str | None = None,
) -> SteeringSpec:
    """A spec that adds to the latents that correlate best with the judge's score, each its mean in successes.

    `texts` are written from neutral prompts (default: openings of the concept's negative texts), by the plain
    model, or with `light` steered by the difference of means at so many mean residual norms: for concepts
    that the plain model hardly ever shows. Latents are read from the unsteered model and pooled by their
    maximum over generated tokens. One half of the texts, by prompt, hands on the 16 latents with the highest
    Pearson correlation; those that correlate best on the other half are taken. A success has a score of 0.5
    or more. Raises InputError where too few texts succeed, where all score alike, or where no latent holds up
    on the other half. `source`: where the SAE was loaded from; else steer(lm, spec, saes={"s": sae}).
    """
    check_one_space(sae)
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    prompts = list(prompts) if prompts is not None else neutral_prompts(concept)
    with open_judge(judge) as reader:
        _check(texts, top, prompts)
        if isinstance(reader, CheckingJudge):
            reader.check(concept)
        written = _written(lm, concept, at, prompts, -(-texts // len(prompts)), max_new_tokens, light, seed)
        found, half = _outcomes(lm, sae, at, concept, prompts, written, reader)
    chosen, told = chosen_latents(found, half, top)
    success = found.score >= 0.5
    weights = [(each, float(found.latents[success, each].mean())) for each in chosen]
    about = {
        "latents": [[i, w] for i, w in weights],
        "correlations": told,
        "judged": len(found.score),
        "successes": int(success.sum()),
        "prompts_sha256": digest(prompts),
        "light": light,
        "seed": seed,
        "sae_sha256": sae.fingerprint(),
    }
    provenance = provenance_of("corrsteer", concept, at) | about
    return latents_spec(lm, sae, at, "add_latents", weights, provenance, strength=strength, source=source)


def chosen_latents(
    found: Outcomes, half: Bool[np.ndarray, " texts"], top: int
) -> tuple[list[int], list[list[float]]]:
    """The best latents of the half that chooses which hold up on the other, and both correlations of each."""
    for part in (found.part(half), found.part(~half)):
        if len(part.score) < _FEWEST or np.ptp(part.score) == 0 or not (part.score >= 0.5).any():
            raise InputError(
                f"of {len(found.score)} judged texts {int((found.score >= 0.5).sum())} succeed, too few to "
                "correlate anything with on two halves; raise texts, or steer lightly (light=0.2)"
            )
    first, second = (correlations(found.part(each)) for each in (half, ~half))
    tried = np.argsort(-first, kind="stable")[: max(_POOL, 2 * top)]
    kept = [int(each) for each in tried if first[each] > 0 and second[each] > 0]
    if not kept:
        raise InputError("no latent goes with success on both halves of the texts; raise texts")
    chosen = sorted(kept, key=lambda each: -second[each])[:top]
    return chosen, [[float(first[each]), float(second[each])] for each in chosen]


def correlations(found: Outcomes) -> Float[np.ndarray, " d_sae"]:
    """Pearson's r of each latent with the score; 0 for one that never changes."""
    x, y = found.latents - found.latents.mean(0), found.score - found.score.mean()
    spread = np.sqrt((x * x).sum(0) * (y * y).sum())
    return np.asarray(x.T @ y / np.where(spread > 1e-12, spread, np.inf))


def _check(texts: int, top: int, prompts: Sequence[str]) -> None:
    if texts < 2 * _FEWEST or top < 1:
        raise InputError(f"texts is {2 * _FEWEST} or more and top 1 or more, got {texts} and {top}")
    if len(set(prompts)) < 2:
        raise InputError(f"two halves need two different prompts or more, got {list(prompts)}")


def _written(
    lm: LanguageModel,
    concept: Concept,
    at: str,
    prompts: Sequence[str],
    n: int,
    max_new_tokens: int,
    light: float,
    seed: int,
) -> tuple[Generation, ...]:
    """Texts of the model alone, or of the model steered lightly; no steering around the call enters."""
    spec = diffmean(lm, concept, at, strength=light) if light else None

    def write() -> tuple[Generation, ...]:
        with steer(lm, spec):
            return lm.generate(prompts, n=n, max_new_tokens=max_new_tokens, seed=seed).rows

    return Context().run(write)


def _outcomes(
    lm: LanguageModel,
    sae: SAE,
    at: str,
    concept: Concept,
    prompts: Sequence[str],
    written: Sequence[Generation],
    judge: Judge,
) -> tuple[Outcomes, Bool[np.ndarray, " texts"]]:
    """Those that could be judged, and which of them choose: prompts by turns."""
    said = judge.judge([JudgeRequest(row.text, row.prompt, concept) for row in written])
    if len(said) != len(written):
        raise SaesteerError(f"the judge answered {len(said)} of {len(written)} requests; mend the judge")
    known = {i: each.behaviour for i, each in enumerate(said) if each.error is None}
    good = [i for i, row in enumerate(written) if row.ids and known.get(i) is not None]
    if not good:
        raise SaesteerError(f"all {len(said)} judgements failed ({said[0].error}); mend the judge")
    score = np.array([known[i] for i in good], dtype=np.float64)
    tokens = lm.tokenize(prompts)
    heads = [ids[mask].tolist() for ids, mask in zip(tokens.ids, tokens.mask, strict=True)]
    rows = [(heads[written[i].request], list(written[i].ids)) for i in good]
    latents = Context().run(lambda: np.concatenate(list(_pooled(lm, sae, at, rows))))
    return Outcomes(latents, score), np.array([written[i].request % 2 == 0 for i in good])


@torch.no_grad()
def _pooled(
    lm: LanguageModel, sae: SAE, at: str, rows: Sequence[tuple[list[int], list[int]]]
) -> Iterator[Float[np.ndarray, "some d_sae"]]:
    """The largest activation of every latent over each row's generated tokens but special ones."""
    special = set(lm.tokenizer.all_special_ids)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        tokens = Tokens.of([head + tail for head, tail in some]).to(lm.device)
        x = lm.record(tokens, [at])[at].to(sae.W_enc.device)
        pooled = np.zeros((len(some), sae.cfg.d_sae))
        for number, (head, tail) in enumerate(some):
            places = [len(head) + i for i, each in enumerate(tail) if each not in special]
            if places:
                pooled[number] = sae.encode(x[number, places]).amax(0).double().cpu().numpy()
        yield pooled
