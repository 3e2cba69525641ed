"""What a spec does beside what it is for, at many strengths in one call: distance, fluency, drift.

Knows models, specs and a measuring SAE; no judge. Texts are read by the steered model, prompts are continued
greedily. Strength 0, the plain model, always stands beside the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError
from saesteer.evaluation.departing import departed, greedy
from saesteer.evaluation.divergence import divergences
from saesteer.evaluation.drift import drifts, most_changed, targets_of
from saesteer.evaluation.effect_rows import EffectRow, known
from saesteer.evaluation.effects_result import SideEffects, StrengthChanges
from saesteer.evaluation.fluency import surprise
from saesteer.evaluation.repetition import longest_repeat, repeated_share
from saesteer.evaluation.strided import STRIDE, WINDOW, strided_surprise
from saesteer.latents.capture import hookpoint_of
from saesteer.model import LanguageModel
from saesteer.runs import Journal, digest, run_stage, versions, write_bytes
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec

REVISION: Final = 1  # raised when something else is computed, so that older folders are not reused
AT_ONCE: Final = 16  # texts or prompts between two notes of what is done
_DONE: Final = "done.jsonl"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EffectPlan:
    """What is measured, and how."""

    texts: tuple[str, ...]
    befores: tuple[str, ...]
    """The prompt of each text."""
    prompts: tuple[str, ...]
    strengths: tuple[float, ...]
    """0 first."""
    against: float | None
    tokens: int
    window: int
    stride: int
    max_length: int
    changed: int
    at: str | None
    targets: tuple[int, ...]

    def parts(self) -> Iterator[tuple[str, slice]]:
        """Name and place of each piece of work, the same in every run."""
        for noun, count in (("texts", len(self.texts)), ("prompts", len(self.prompts))):
            for first in range(0, count, AT_ONCE):
                yield noun, slice(first, min(first + AT_ONCE, count))


def side_effects(
    lm: LanguageModel,
    spec: SteeringSpec,
    strengths: Sequence[float],
    texts: Sequence[str] = (),
    prompts: Sequence[str] = (),
    sae: SAE | None = None,
    *,
    befores: Sequence[str] | None = None,
    tokens: int = 50,
    against: float | None = None,
    window: int = WINDOW,
    stride: int = STRIDE,
    max_length: int = 256,
    at: str | None = None,
    targets: Sequence[int] | None = None,
    changed: int = 10,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> SideEffects:
    """`spec` at each strength on `texts`, which it reads, and `prompts`, after which it writes.

    Of texts: perplexity by windows (`befores`: the prompt of each, whose tokens do not count: the NLL of the
    true continuation), KL both ways, and with `sae` the drift of its latents but `targets` (None: those that
    the spec names); KL and drift of the first `max_length` tokens. Of prompts: greedy texts of `tokens`
    tokens, where they leave the plain model's (and those of the strength `against`), repetition, and their
    perplexity under the plain model. `folder`: kept below it and found again by an equal call; a killed run
    goes on where it stood.
    """
    plan = _plan(lm, spec, strengths, texts, prompts, sae, befores, tokens, against, window, stride,
                 max_length, at, targets, changed, saes)  # fmt: skip
    asked = {
        "model": lm.fingerprint(),
        "arithmetic": lm.arithmetic,
        "spec": spec.fingerprint(),
        "sae": None if sae is None else sae.fingerprint(),
        "saes": {name: each.fingerprint() for name, each in (saes or {}).items()},
        "plan": asdict(plan) | {name: digest(getattr(plan, name)) for name in ("texts", "befores")},
    }
    provenance = asked | {"versions": versions()}

    def measured(place: Path | None) -> SideEffects:
        return _measured(lm, spec, plan, sae, saes, force, place, progress, provenance)

    if folder is None:
        return measured(None)

    def work(place: Path) -> None:
        found = measured(place)
        for each in [place / _DONE, *place.glob("latents-*.npy")]:
            each.unlink(missing_ok=True)
        found.save(place)

    made = run_stage(
        folder, "side-effects", work, inputs={"model": lm.fingerprint()}, config=asked, revision=REVISION
    )
    return SideEffects.load(made)


def _plan(
    lm: LanguageModel, spec: SteeringSpec, strengths: Sequence[float], texts: Sequence[str],
    prompts: Sequence[str], sae: SAE | None, befores: Sequence[str] | None, tokens: int,
    against: float | None, window: int, stride: int, max_length: int, at: str | None,
    targets: Sequence[int] | None, changed: int, saes: Mapping[str, SAE] | None,
) -> EffectPlan:  # fmt: skip
    if isinstance(texts, str) or isinstance(prompts, str) or not (texts or prompts):
        raise InputError("side effects are measured on lists of texts or prompts; give one of them")
    before = ("",) * len(texts) if befores is None else tuple(befores)
    if len(before) != len(texts):
        raise InputError(f"{len(texts)} texts have {len(before)} prompts before them; give one each")
    if sae is not None and not texts:
        raise InputError("an SAE measures what texts do to its latents; give texts, or leave it out")
    place = None if sae is None else hookpoint_of(lm, sae, at)
    if targets is None:
        targets = () if sae is None else targets_of(spec, sae, saes)
    every = tuple(dict.fromkeys([0.0, *(float(each) for each in strengths)]))
    return EffectPlan(tuple(texts), before, tuple(prompts), every, against, tokens, window, stride,
                      max_length, changed, place, tuple(targets))  # fmt: skip


def _measured(
    lm: LanguageModel,
    spec: SteeringSpec,
    plan: EffectPlan,
    sae: SAE | None,
    saes: Mapping[str, SAE] | None,
    force: bool,
    place: Path | None,
    progress: Progress | None,
    provenance: Mapping[str, Any],
) -> SideEffects:
    log = None if place is None else Journal(place / _DONE)
    done = {entry["part"]: entry["rows"] for entry in log} if log else {}
    rows: list[EffectRow] = []
    latents = None if sae is None else np.zeros((len(plan.strengths), 3, sae.cfg.d_sae))
    parts = list(plan.parts())
    for number, (noun, part) in enumerate(parts):
        name = f"{noun}-{part.start}"
        kept = None if place is None else place / f"latents-{part.start}.npy"
        if name in done:
            found = [EffectRow(**each) for each in done[name]]
            sums = np.load(kept, allow_pickle=False) if noun == "texts" and sae and kept else None
        elif noun == "texts":
            found, sums = _read(lm, spec, plan, part, sae, saes, force)
            if kept is not None and sums is not None:
                write_bytes(kept, _bytes(sums))
        else:
            found, sums = _written(lm, spec, plan, part, saes, force), None
        if log and name not in done:
            log.append({"part": name, "rows": [asdict(row) for row in found]})
        rows += found
        if latents is not None and sums is not None:
            latents += sums
        if progress:
            progress(noun, number + 1, len(parts))
    return SideEffects(tuple(rows), _changes(plan, rows, latents), provenance)


def _read(
    lm: LanguageModel,
    spec: SteeringSpec,
    plan: EffectPlan,
    part: slice,
    sae: SAE | None,
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> tuple[list[EffectRow], Float[np.ndarray, "settings 3 d_sae"] | None]:
    texts, befores = plan.texts[part], plan.befores[part]
    before = befores if any(befores) else None
    nll = strided_surprise(lm, spec, plan.strengths, texts, before, window=plan.window, stride=plan.stride,
                           saes=saes, force=force)  # fmt: skip
    far = divergences(
        lm, spec, plan.strengths, texts, before, saes=saes, force=force, max_length=plan.max_length
    )
    moved = None
    if sae is not None:
        moved = drifts(lm, spec, plan.strengths, sae, texts, before, at=plan.at, targets=plan.targets,
                       saes=saes, force=force, max_length=plan.max_length)  # fmt: skip
    rows = []
    for number, strength in enumerate(plan.strengths):
        for i, text in enumerate(texts):
            row = EffectRow(
                strength, "read", part.start + i, befores[i], text, nll[number][i].tokens,
                nll[number][i].nats, nll[0][i].nats, far[number].tokens[i], far[number].kls[i],
                far[number].reverses[i],
            )  # fmt: skip
            if moved is not None:
                one = moved[number]
                row = replace(
                    row, drift=one.absolutes[i], drift_squared=one.squares[i], drift_plain=one.plain[i]
                )
            rows.append(known(row))
    return rows, None if moved is None else np.stack([each.latents for each in moved])


def _written(
    lm: LanguageModel,
    spec: SteeringSpec,
    plan: EffectPlan,
    part: slice,
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> list[EffectRow]:
    prompts = plan.prompts[part]
    others = [] if plan.against is None else [plan.against]
    made = greedy(
        lm, [(spec, each) for each in (*plan.strengths, *others)], prompts, plan.tokens, saes, force
    )
    reference = None if plan.against is None else made[-1]
    rows = []
    for strength, texts in zip(plan.strengths, made, strict=False):
        left = departed(texts, made[0], plan.tokens).places
        other = (None,) * len(left) if reference is None else departed(texts, reference, plan.tokens).places
        found = surprise(lm, [each.text for each in texts], prompts)
        for i, each in enumerate(texts):
            rows.append(
                known(
                    EffectRow(
                        strength, "written", part.start + i, prompts[i], each.text, found[i].tokens,
                        found[i].nats, left=left[i], left_other=other[i], most=plan.tokens,
                        repeated=repeated_share(each.text), longest=longest_repeat(each.text),
                    )
                )
            )  # fmt: skip
    return rows


def _changes(
    plan: EffectPlan, rows: Sequence[EffectRow], latents: Float[np.ndarray, "settings 3 d_sae"] | None
) -> tuple[StrengthChanges, ...]:
    """Of each strength but 0 the off-target latents that change most, and what its targets did."""
    if latents is None:
        return ()
    tokens = sum(row.measured or 0 for row in rows if row.strength == 0)
    others = sorted(set(range(latents.shape[2])) - set(plan.targets))
    return tuple(
        StrengthChanges(
            strength,
            most_changed(sums, tokens, plan.targets, plan.changed),
            most_changed(sums, tokens, others, len(plan.targets)),
        )
        for strength, sums in zip(plan.strengths, latents, strict=True)
        if strength != 0
    )


def _bytes(values: Float[np.ndarray, "settings 3 d_sae"]) -> bytes:
    file = BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()
