"""What a cell tries: specs, tuned models or prefixes, made by its method, each once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.evaluation import Arm
from saesteer.methods import TUNERS, Tuned, candidates
from saesteer.methods.calling import call, takes
from saesteer.pipeline.experiment.inputs import FILES, content
from saesteer.pipeline.experiment.method_choice import PROMPTING, MethodChoice, Variant
from saesteer.pipeline.experiment.planning import Cell
from saesteer.pipeline.experiment.setup import Setup
from saesteer.pipeline.experiment.subjects import Subject
from saesteer.runs import digest, run_stage
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec, load_spec

SPEC: Final = "spec.yaml"
REVISION: Final = 1  # raised when a method is called otherwise, so that older specs are not reused


@dataclass(frozen=True, eq=False)
class Built:
    """What is tried with one seed, and the SAEs that applying it needs."""

    arms: tuple[Arm, ...]
    saes: Mapping[str, SAE]


def build(setup: Setup, cell: Cell, seed: int, folder: Path) -> Built:
    """The arms of a cell; specs are kept below `folder`."""
    concept, method = cell.subject.concept, cell.method
    if method.method == PROMPTING:
        return Built(
            tuple(Arm(concept, method.name, variant=each, prefix=each) for each in candidates(concept)), {}
        )
    if method.spec is not None:
        return Built((Arm(concept, method.name, load_spec(method.spec), cell.strengths),), {})
    arms: list[Arm] = []
    saes: dict[str, SAE] = {}
    for variant in method.each_variant():
        made, sae = _made(setup, cell, variant, seed, folder)
        spec, tuned = (made, None) if isinstance(made, SteeringSpec) else (None, made)
        arms.append(Arm(concept, method.name, spec, cell.strengths, variant.name, tuned=tuned))
        if spec is not None and sae is not None:
            saes |= dict.fromkeys(spec.saes, sae)
    return Built(tuple(arms), saes)


def _made(
    setup: Setup, cell: Cell, variant: Variant, seed: int, folder: Path
) -> tuple[SteeringSpec | Tuned, SAE | None]:
    """A method's result for one variant and seed, from the disk where it was made before."""
    method, subject = cell.method, cell.subject
    function, concept = method.function, subject.for_methods
    options = _options(setup, method, variant, subject, seed)
    choice = setup.sae_for(method, subject) if takes(function, "sae") else None
    sae = None if choice is None else setup.sae(choice.source)
    if takes(function, "at"):
        options["at"] = setup.place(method, variant, subject)
    if not takes(function, "concept") and takes(
        function, "texts"
    ):  # so that its unit means what others' mean
        options["texts"] = (*concept.positive, *concept.negative)
    source = None if choice is None else choice.source

    def work(place: Path) -> None:
        found = call(function, setup.lm, concept, options, sae, source)
        if isinstance(found, SteeringSpec):
            found.save(place / SPEC)
        elif isinstance(found, Tuned):
            found.save(place)
        else:
            raise InputError(
                f"the method {method.method} made a {type(found).__name__}, which cannot be swept"
            )

    asked = {
        "method": method.method,
        "options": {**options, "texts": digest(options.get("texts"))},
        "content": {name: content(options[name]) for name in FILES if name in options},
        "sae": None if sae is None else sae.fingerprint(),
        "source": source,
        "concept": digest(concept),
        "arithmetic": setup.lm.arithmetic,
    }
    inputs = {"model": setup.lm.fingerprint()}
    made = run_stage(folder / "specs", "spec", work, inputs=inputs, config=asked, revision=REVISION)
    return (Tuned.load(made, setup.lm) if method.method in TUNERS else load_spec(made / SPEC)), sae


def _options(
    setup: Setup, method: MethodChoice, variant: Variant, subject: Subject, seed: int
) -> dict[str, Any]:
    """The variant's own, and what the experiment gives to a method that takes it."""
    given: dict[str, Callable[[], Any]] = {"seed": lambda: seed, "judge": lambda: setup.config.judge}
    options = {name: value() for name, value in given.items() if takes(method.function, name)}
    if method.task_latents is not None and subject.task is not None:
        options["latent"] = [list(each) for each in getattr(subject.task, method.task_latents).latents]
    return options | dict(variant.options)
