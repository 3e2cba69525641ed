"""One study: for several concepts, find the latent, build directions, sweep, choose on one half, report on
the other.

Knows which methods stand side by side and on which samples; not what they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from saesteer.concepts import Ranking, evidence_of, output_effect, rank_latents
from saesteer.concepts.contrast import SIGNIFICANT
from saesteer.errors import InputError
from saesteer.evaluation import Arm, SweepResult, baseline, choose, evaluate, figures
from saesteer.evaluation.rows import Half
from saesteer.judges import Judge
from saesteer.latents import capture, hookpoint_of
from saesteer.methods import diffmean, prompting, random_direction, sae_decoder
from saesteer.model import LanguageModel
from saesteer.report import ConceptResult, Context, LatentEvidence, MethodResult, method_result
from saesteer.report.findings import reaches
from saesteer.report.records import Role
from saesteer.saes import SAE
from saesteer.text import Concept

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""

LABELS: dict[str, tuple[str, Role]] = {
    "diffmean": ("Difference of means", "steering"),
    "sae_decoder": ("Best SAE latent", "steering"),
    "prompting": ("Best prompt", "prompting"),
    "random": ("Random direction", "control"),
}
WHAT: dict[Half, str] = {"selection": "trying strengths", "test": "measuring the choice"}
LATENT = "latent "  # before the number, in the variant of an arm
GOALS = {"diffmean": 5.0, "sae_decoder": 3.0}


@dataclass(frozen=True)
class StudyConfig:
    """What a study tries, and on how many samples."""

    at: str = "layers.3"
    """Hookpoint of the SAE, of its latents' directions and of the control."""
    depths: tuple[str, ...] = ()
    """Hookpoints at which the difference of means is tried; none: `at` alone."""
    strengths: tuple[float, ...] = (0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.45)
    """In mean residual norms."""
    latents: int = 4
    """Candidate latents: the best by whole texts, by tokens and by what they write, by turns."""
    samples: int = 4
    """Texts per prompt and setting, on the selection half."""
    test_samples: int = 8
    """Texts per prompt of the chosen settings, on the test half."""
    base_samples: int = 32
    """Texts per prompt of the plain model."""
    max_new_tokens: int = 40
    """Length of a text."""
    coherence: float = 0.8
    """What a chosen setting must keep on the test half."""
    margin: float = 0.03
    """Asked beyond it on the selection half: the best of many settings flatters itself there."""
    batch: int = 256
    """Texts written at once."""
    seed: int = 0

    @property
    def asked(self) -> float:
        """The coherence that a setting must have on the selection half to be chosen."""
        return min(1.0, self.coherence + self.margin)


@dataclass(frozen=True)
class Study:
    """The results of every concept, and the base they share."""

    concepts: tuple[ConceptResult, ...]
    config: StudyConfig

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One plain row per concept and method: the chosen setting and its figures on the test half."""
        return [_row(concept, method, self.config) for concept in self.concepts for method in concept.methods]


def study(
    lm: LanguageModel,
    sae: SAE,
    concepts: Sequence[Concept],
    prompts: Sequence[str],
    judge: str | Judge,
    folder: Path,
    config: StudyConfig,
    progress: Report = lambda what, done, total: None,
) -> Study:
    """Every concept by every method; samples under `folder`, a finished part is found there again.

    Raises InputError, before anything is written, where there is no concept or the SAE is not of `config.at`.
    """
    if not concepts:
        raise InputError("a study needs at least one concept; give some")
    if len({concept.name for concept in concepts}) < len(concepts):
        raise InputError("a study has each concept once; two of these have one name")
    hookpoint_of(lm, sae, config.at)
    work = _Work(lm, sae, tuple(prompts), judge, folder, config, progress, 100 * (len(concepts) + 1))
    base = work.base(concepts)
    names = _short_names([concept.name for concept in concepts])
    results = [
        work.concept(concept, short, base, 100 * (i + 1))
        for i, (concept, short) in enumerate(zip(concepts, names, strict=True))
    ]
    progress("done", work.total, work.total)
    return Study(tuple(results), config)


@dataclass(frozen=True)
class _Work:
    """What every stage of a study needs; 100 steps of progress for the base and for every concept."""

    lm: LanguageModel
    sae: SAE
    prompts: tuple[str, ...]
    judge: str | Judge
    folder: Path
    config: StudyConfig
    progress: Report
    total: int

    def base(self, concepts: Sequence[Concept]) -> SweepResult:
        """The plain model's texts, judged for every concept."""
        config = self.config
        return baseline(
            self.lm,
            concepts,
            self.prompts,
            config.base_samples,
            self.judge,
            config.seed + 1,
            config.max_new_tokens,
            batch=config.batch,
            folder=self.folder / "base",
            progress=self.part("the plain model", 0, 100),
        )

    def concept(self, concept: Concept, short: str, base: SweepResult, start: int) -> ConceptResult:
        """One concept: latents and directions, chosen on one half of the prompts, measured on the other.

        `short`: what its files are called.
        """
        lm, sae, config = self.lm, self.sae, self.config
        self.progress(f"{short}: finding latents", start, self.total)
        by_text = rank_latents(lm, sae, concept, at=config.at, level="text")
        by_token = rank_latents(lm, sae, concept, at=config.at, level="token", evidence=0)
        by_text.save(self.folder / f"{short}_latents.parquet")
        candidates = _candidates(by_text, by_token, output_effect(lm, sae, concept), config.latents)
        arms = _arms(lm, sae, concept, candidates, config)
        tried = self.sweep(short, "selection", arms, config.samples, config.seed, start + 10)
        chosen = _chosen(arms, tried, config)
        tested = self.sweep(short, "test", chosen, config.test_samples, config.seed + 2, start + 60)
        own = base.where(concept=concept.name)
        links = {"rows": self.link(tested), "tried": self.link(tried)}
        methods = tuple(_method(name, tried, tested, own, links, config) for name in LABELS)
        latents = self.link_to(self.folder / f"{short}_latents.parquet")
        return ConceptResult(
            name=concept.name,
            description=concept.description,
            base=figures(own.rows),
            base_rows=self.link(base),
            methods=methods,
            latent=self.evidence(concept, by_text, by_token, _steered(chosen), latents),
        )

    def evidence(
        self, concept: Concept, by_text: Ranking, by_token: Ranking, latent: int | None, link: str
    ) -> LatentEvidence:
        """What speaks for the latent that was steered with, or for the best reader where none was."""
        latent = by_text.best.latent if latent is None else latent
        score, token = (next(s for s in r.rows if s.latent == latent) for r in (by_text, by_token))
        texts = (*concept.positive, *concept.negative)
        rows = capture(self.lm, texts, self.sae, self.config.at)
        shown = evidence_of(self.lm, self.sae, rows, latent)
        positives = len(concept.positive)
        return LatentEvidence(
            sae=self.config.at,
            latent=latent,
            auroc=score.auroc,
            rows=link,
            token_auroc=token.auroc,
            effect_size=score.cohens_d,
            positive_rate=score.rate_positive,
            negative_rate=score.rate_negative,
            contexts=tuple(Context(c.tokens, c.activations, c.document < positives) for c in shown.contexts),
            promoted=tuple((effect.token, effect.effect) for effect in shown.promoted),
            suppressed=tuple((effect.token, effect.effect) for effect in shown.suppressed),
        )

    def sweep(self, short: str, half: Half, arms: list[Arm], n: int, seed: int, start: int) -> SweepResult:
        """The arms on one half of the prompts; nothing where there are none."""
        if not arms:
            return SweepResult((), {})
        return evaluate(
            self.lm,
            arms,
            self.prompts,
            n,
            self.judge,
            seed=seed,
            max_new_tokens=self.config.max_new_tokens,
            batch=self.config.batch,
            only=half,
            folder=self.folder / f"{short}_{half}",
            progress=self.part(f"{short}: {WHAT[half]}", start, 50 if half == "selection" else 40),
        )

    def part(self, what: str, start: int, length: int) -> Callable[[int, int], None]:
        """Progress of one stage as a part of the whole."""
        return lambda done, total: self.progress(what, start + length * done // max(1, total), self.total)

    def link(self, result: SweepResult) -> str:
        """Where a sweep's rows are, from the report's folder."""
        return self.link_to((result.folder or self.folder) / "rows.parquet")

    def link_to(self, path: Path) -> str:
        return path.relative_to(self.folder.parent).as_posix()


def _short_names(names: Sequence[str]) -> list[str]:
    """The last part of each name, or all of it where another has the same last part."""
    short = [name.rsplit("/", 1)[-1] for name in names]
    return [
        each if short.count(each) == 1 else name.replace("/", "-")
        for each, name in zip(short, names, strict=True)
    ]


def _candidates(by_text: Ranking, by_token: Ranking, effect: Float[Tensor, " d_sae"], n: int) -> list[int]:
    """The first latents by whole texts, by tokens and, of those that tell the texts apart, by what they
    write; by turns. A latent may read a concept well and write nothing of it.
    """
    readers = [s.latent for s in by_text.rows if s.mean_difference > 0 and s.p_adjusted <= SIGNIFICANT]
    writers = sorted(readers, key=lambda latent: -float(effect[latent]))
    columns = [s.latent for s in by_text.rows], [s.latent for s in by_token.rows], writers
    turns = [latent for row in zip_longest(*columns) for latent in row if latent is not None]
    return list(dict.fromkeys(turns))[:n]


def _arms(
    lm: LanguageModel, sae: SAE, concept: Concept, latents: Sequence[int], config: StudyConfig
) -> list[Arm]:
    grid = config.strengths
    arms = [
        Arm(concept, "diffmean", diffmean(lm, concept, at=at), grid, variant=at if config.depths else "")
        for at in config.depths or (config.at,)
    ]
    for latent in latents:
        spec = sae_decoder(lm, concept, sae, at=config.at, latent=latent)
        arms.append(Arm(concept, "sae_decoder", spec, grid, variant=f"{LATENT}{latent}"))
    arms += [Arm(concept, "prompting", variant=p, prefix=p) for p in prompting(lm, concept)]
    texts = (*concept.positive, *concept.negative)  # so that its strengths mean what the others' mean
    control = random_direction(lm, at=config.at, seed=config.seed, texts=texts)
    arms.append(Arm(concept, "random", control, grid))
    return arms


def _chosen(arms: Sequence[Arm], tried: SweepResult, config: StudyConfig) -> list[Arm]:
    """Of every method the arm and the strength that were chosen on the selection half."""
    found = []
    for name in LABELS:
        setting = choose(tried.where(method=name), config.asked).setting
        for arm in arms:
            if setting is not None and (arm.method, arm.variant) == (setting.method, setting.variant):
                found.append(Arm(arm.concept, name, arm.spec, (setting.strength,), arm.variant, arm.prefix))
    return found


def _method(
    name: str,
    tried: SweepResult,
    tested: SweepResult,
    base: SweepResult,
    links: dict[str, str],
    config: StudyConfig,
) -> MethodResult:
    label, role = LABELS[name]
    samples = (*tried.where(method=name).rows, *tested.where(method=name).rows)
    both = SweepResult(samples, {"selection": tried.provenance, "test": tested.provenance})
    unit = "residual_norm" if role != "prompting" else ""
    return method_result(
        both,
        base,
        label=label,
        role=role,
        coherence=config.asked,
        unit=unit,
        goal=GOALS.get(name),
        rows=links["rows"],
        tried=links["tried"],
    )


def _row(concept: ConceptResult, method: MethodResult, config: StudyConfig) -> dict[str, Any]:
    row: dict[str, Any] = {
        "concept": concept.name,
        "method": method.method,
        "base": concept.base.behaviour.estimate,
        "base_sentences": concept.base.sentences,
        "setting": method.setting or None,
        "reason": method.reason,
    }
    if method.outcome is None:
        return row
    found = method.outcome
    return row | {
        "behaviour": found.figures.behaviour.estimate,
        "behaviour_low": found.figures.behaviour.low,
        "behaviour_high": found.figures.behaviour.high,
        "coherence": found.figures.coherence and found.figures.coherence.estimate,
        "product": found.figures.product and found.figures.product.estimate,
        "ratio": _finite(found.ratio.estimate),
        "ratio_low": _finite(found.ratio.low),
        "lift": found.lift.estimate,
        "lift_low": found.lift.low,
        "reached": method.goal is not None and reaches(found, method.goal, config.coherence),
        "samples": found.figures.samples,
    }


def _finite(value: float) -> float | None:
    """None for the ratio to a base rate of zero, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def _steered(chosen: Sequence[Arm]) -> int | None:
    """The latent that was steered with in the end; None where no setting was chosen."""
    found = [arm.variant for arm in chosen if arm.method == "sae_decoder"]
    return int(found[0].removeprefix(LATENT)) if found else None
