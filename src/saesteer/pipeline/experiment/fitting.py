"""Whether the model has every hookpoint that is named, of the right width, and room for the texts.

Knows a loaded model, and those SAEs that are on this machine; of others only their names are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.methods.calling import takes
from saesteer.pipeline.experiment.choices import SAEChoice
from saesteer.pipeline.experiment.planning import Cell
from saesteer.pipeline.experiment.setup import Setup
from saesteer.saes import SAE
from saesteer.steering import compile_edits, load_spec


def check_fitting(setup: Setup, cells: Sequence[Cell]) -> None:
    """InputError names the first field, method or SAE of these cells that does not fit the model."""
    config = setup.config
    _check_lengths(setup)
    for name, choice in config.saes.items():
        with _said_of(f"saes: {name}"):
            _check_sae(setup, choice)
    specs = {each.method.name: (each, each.method.spec) for each in cells if each.method.spec is not None}
    for name, (cell, path) in specs.items():
        with _said_of(f"the method {name!r}"):
            spec = load_spec(path)
            compile_edits(setup.lm, [spec] * len(cell.strengths), cell.strengths)
    for cell in cells:
        if cell.method.method is not None and takes(cell.method.function, "at"):
            with _said_of(f"the method {cell.method.name!r}"):
                _check_cell(setup, cell)


def _check_lengths(setup: Setup) -> None:
    """What is to be written behind the longest prompt has to fit the model."""
    config, most = setup.config, setup.lm.max_positions
    asked = {"writing: max_new_tokens": config.writing.max_new_tokens}
    if config.side_effects is not None:
        asked["side_effects: tokens"] = config.side_effects.tokens
    longest = int(setup.lm.tokenize(list(setup.inputs.prompts)).lengths().max())
    for name, tokens in asked.items():
        if most is not None and longest + tokens > most:
            raise InputError(
                f"{name} is {tokens}, which behind a prompt of {longest} tokens does not fit the model's "
                f"{most} positions; give {max(1, most - longest)} or less, or shorter prompts"
            )


def _check_cell(setup: Setup, cell: Cell) -> None:
    """Of every variant the hookpoint, where it can be told without an SAE that is not here."""
    method, subject = cell.method, cell.subject
    # What effects are of, and an outsider's method, may read elsewhere than it acts.
    ours = method.function.__module__.startswith("saesteer.")
    reads = ours and takes(method.function, "sae") and not takes(method.function, "effects")
    choice = setup.sae_for(method, subject)
    sae = None if choice is None else _here(setup, choice.source)
    for variant in method.each_variant():
        at = setup.said_place(method, variant, subject)
        if at is None and sae is None:
            continue
        place = hookpoint_of(setup.lm, sae, None) if at is None and sae else setup.lm.hookpoint(str(at))
        if reads and sae is not None:
            hookpoint_of(setup.lm, sae, place)


def _check_sae(setup: Setup, choice: SAEChoice) -> None:
    """Where it is said to be, and where the one that measures side effects was trained."""
    if choice.at is not None:
        setup.lm.hookpoint(choice.at)
    if choice.at is not None or choice is setup.measuring:
        sae = _here(setup, choice.source)
        if sae is not None:
            hookpoint_of(setup.lm, sae, choice.at)


def _here(setup: Setup, source: str) -> SAE | None:
    """The SAE, or None where it must come from the network."""
    try:
        return setup.sae(source, download=False)
    except InputError:
        if source.startswith(("world/", "/", ".")):
            raise
        return None


@contextmanager
def _said_of(what: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
