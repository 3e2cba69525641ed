"""What a run was asked for, line by line, as its report says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saesteer.pipeline.experiment.choices import SAEChoice, Tasks
from saesteer.pipeline.experiment.config import MARGIN, ExperimentConfig
from saesteer.pipeline.experiment.method_choice import MethodChoice
from saesteer.pipeline.experiment.result import ExperimentRun


def asked_lines(run: ExperimentRun) -> tuple[tuple[str, str], ...]:
    """What the run was asked for, as people read it."""
    config, about = run.config, run.about
    samples, writing = config.samples, config.writing
    lines = [
        ("model", str(about["model"]["name"])),
        ("SAEs", ", ".join(_sae(name, each) for name, each in config.saes.items())),
        ("concepts", _concepts(config, about)),
        ("aim", "less of the behaviour" if config.aim == "less" else ""),
        ("methods", ", ".join(map(_method, config.methods))),
        ("strengths", _numbers(config.strengths) or "each method's own"),
        ("goal", _goals(config)),
        ("prompts", f"{about['prompts']}, half to choose by, half to report on"),
        ("seeds", ", ".join(map(str, config.seeds))),
        ("texts per prompt, setting and seed",
         f"{samples.selection} to choose by, {samples.test} to report on, {samples.base} of the plain model"),
        ("writing", f"up to {writing.max_new_tokens} tokens at temperature {writing.temperature:g}"),
        ("judges", ", ".join(each["name"] for each in about["judges"]) + "; the first chooses"),
        ("coherence", f"{config.coherence:g} to keep, {MARGIN:g} more asked where settings are chosen"
         if config.coherence else "none asked for"),
        ("side effects", _beside(config)),
    ]  # fmt: skip
    return tuple(each for each in lines if each[1])


def _concepts(config: ExperimentConfig, about: Mapping[str, Any]) -> str:
    names = ", ".join(each["name"] for each in about["concepts"])
    if isinstance(config.concepts, Tasks):
        return f"{names} (task configs of {config.concepts.tasks.rsplit('/', 1)[-1]})"
    return names


def _sae(name: str, choice: SAEChoice) -> str:
    return f"{name} ({choice.source}{f', at {choice.at}' if choice.at else ''})"


def _method(choice: MethodChoice) -> str:
    """As the page calls it; what it is and what it was given in brackets, where that does not say it."""
    options = [f"{key} {_value(value)}" for key, value in choice.options.items()]
    variants = [f"{key} {' or '.join(map(_value, values))}" for key, values in choice.variants.items()]
    parts = [
        choice.name if choice.label else "",
        choice.method if choice.method not in (None, choice.name) else "",
        f"the spec {choice.spec.rsplit('/', 1)[-1]}" if choice.spec else "",
        f"the SAE {choice.sae}" if choice.sae else "",
        f"the {choice.task_latents} latents of each task" if choice.task_latents else "",
        f"at {choice.at}" if choice.at else "",
        *options,
        *variants,
        f"strengths {_numbers(choice.strengths)}" if choice.strengths else "",
    ]
    said = "; ".join(each for each in parts if each)
    shown = choice.label or choice.name
    return f"{shown} ({said})" if said else shown


def _goals(config: ExperimentConfig) -> str:
    """How many times its base rate each method hopes to reach."""
    own = [f"{each.goal:g} by {each.label or each.name}" for each in config.methods if each.goal is not None]
    if not own:
        return "" if config.goal is None else f"{config.goal:g} times the base rate"
    shared = [] if config.goal is None else [f"{config.goal:g} by the others"]
    return f"times the base rate: {', '.join([*own, *shared])}"


def _beside(config: ExperimentConfig) -> str:
    asked = config.side_effects
    if asked is None:
        return "not measured"
    source = "" if config.texts is None else f" of {config.texts.source.rsplit('/', 1)[-1]}"
    drift = f", drift by the latents of {config.measuring}" if config.measuring else ""
    return f"{asked.tokens} greedy tokens per prompt, up to {asked.count} texts{source} read{drift}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{each:g}" for each in values)


def _value(value: Any) -> str:
    """Of an option, short."""
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
