"""`saesteer VERB ...`: finds the verb's file and runs it. Imports nothing but what it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, cast

from saesteer import __version__
from saesteer.cli.failures import exit_code, interruptible, usage_error
from saesteer.errors import UnknownName

Table = dict[str, tuple[str, str]]

# Verb -> the file and function that run it, or the table of its parts, and what it does.
VERBS: Final[Table] = {
    "demo": ("saesteer.cli.demo:demo", "The whole way on the embedded world; ends with a report."),
    "run": ("saesteer.cli.run:run", "Run an experiment: concepts by methods by strengths by judges."),
    "find": ("saesteer.cli.find:find", "Rank the latents of an SAE by how well they tell a concept."),
    "show": ("saesteer.cli.show:show", "Show what an SAE is, or a latent: contexts, histogram, tokens."),
    "convert": (
        "saesteer.cli.convert:convert",
        "Write an SAE of any known format in the sae_lens layout.",
    ),
    "detect": (
        "saesteer.cli.detect:detect",
        "Score texts by a concept's latent, with a calibrated threshold.",
    ),
    "cache": ("saesteer.cli.cache:cache", "Write the latents of many tokens to a folder, latent by latent."),
    "explain": ("saesteer.cli.explain:explain", "Say in words what latents of a cache stand for."),
    "score": (
        "saesteer.cli.score:score",
        "Measure how well explanations foretell what their latents do.",
    ),
    "interpret": ("saesteer.cli.interpret:interpret", "Cache, explain, score and report, in one go."),
    "report": (
        "saesteer.cli.report:report",
        "Pages on explanations and scores, one for all and one per latent; exports.",
    ),
    "steer": ("saesteer.cli.steer:steer", "Turn a concept into a steering spec."),
    "tune": ("saesteer.cli.tune:tune", "Fine-tune a copy of a model on a concept's texts."),
    "calibrate": (
        "saesteer.cli.calibrate:calibrate",
        "Find the strength that brings a concept out most within a budget.",
    ),
    "search": (
        "saesteer.cli.search:search",
        "Choose latents, signs and strengths together, with a judge.",
    ),
    "generate": ("saesteer.cli.generate:generate", "Write texts, steered beside unsteered."),
    "combine": ("saesteer.cli.combine:combine", "Add, subtract and scale steering specs."),
    "export": (
        "saesteer.cli.export:export",
        "Write a spec in another format, or the steered model as a plain one.",
    ),
    "train": ("saesteer.cli.train:train", "Train SAEs on a model's activations, several from one pass."),
    "quality": ("saesteer.cli.quality:quality", "Measure an SAE: loss, dead latents, concepts, absorption."),
    "lm-eval": ("saesteer.cli.lm_eval:lm_eval", "Run lm-evaluation-harness on a steered model."),
    "effects": (
        "saesteer.cli.effects:PARTS",
        "Measure, fit and predict what vectors do to an SAE's latents.",
    ),
    "side-effects": (
        "saesteer.cli.side_effects:side_effects",
        "What a spec costs: fluency, distance, drift of other latents.",
    ),
    "judge": ("saesteer.cli.judge:judge", "Ask another judge about the texts of a sweep."),
    "rate": ("saesteer.cli.rate:rate", "Rate the texts of a sweep yourself, blind, from the keyboard."),
    "agree": ("saesteer.cli.agree:agree", "How far the judges of a sweep agree, with a page."),
    "tournament": (
        "saesteer.cli.tournament:tournament",
        "The settings of a sweep against each other, text by text.",
    ),
    "doctor": (
        "saesteer.cli.doctor:doctor",
        "Check a model here: inert hooks change nothing, and more.",
    ),
}
_HEAD: Final = """\
Usage: saesteer VERB [OPTIONS]

Find, explain, steer and measure sparse-autoencoder features of language models.

Verbs:
"""
_FOOT: Final = """
saesteer VERB --help    its options, with an example
saesteer --version      the version
--debug                 with any verb: the traceback of an error
--json                  with any verb: JSON on stdout and nothing else there

Example: saesteer find world/wedding
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code: 0, 1 (failed), 2 (bad input) or 130 (Ctrl-C)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    debug = "--debug" in given[:end]
    given = [each for place, each in enumerate(given) if each != "--debug" or place >= end]
    with interruptible():
        return exit_code(lambda: _run(given), debug)


def help_text(verb: str = "") -> str:
    """The page of `saesteer --help`, or of a verb that has parts."""
    if not verb:
        return _HEAD + _listed(VERBS) + _FOOT
    parts = cast(Table, _target(verb))
    head = f"Usage: saesteer {verb} PART [OPTIONS]\n\n{VERBS[verb][1]}\n\nParts:\n"
    example = f"Example: saesteer {verb} {next(iter(parts))} --help"
    return (
        f"{head}{_listed(parts)}\nsaesteer {verb} PART --help    its options, with an example\n\n{example}\n"
    )


def command(verb: str) -> Any:
    """The verb as a command that parses its own arguments; `effects measure` for a part of one."""
    import typer

    function = cast(Callable[..., None], _target(verb))
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    settings = getattr(function, "context_settings", None)  # of a verb that hands options on
    app.command(name=verb, context_settings=settings)(function)
    return typer.main.get_command(app)


def _listed(table: Table) -> str:
    width = max(map(len, table))
    return "".join(f"  {verb:{width}}  {what}\n" for verb, (_, what) in table.items())


def _target(verb: str) -> Callable[..., None] | Table:
    """What runs a verb, or the table of its parts; what runs one of them."""
    first, _, part = verb.partition(" ")
    found = _imported(VERBS[first][0])
    return _imported(cast(Table, found)[part][0]) if part else found


def _imported(target: str) -> Callable[..., None] | Table:
    module, _, name = target.partition(":")
    return cast(Callable[..., None] | Table, getattr(import_module(module), name))


def _run(given: Sequence[str]) -> int:
    if not given or given[0] in {"--help", "-h", "help"}:
        print(help_text(), end="")
        return 0 if given else 2
    if given[0] == "--version":
        print(f"saesteer {__version__}")
        return 0
    verb, *words = given
    if verb.startswith("-"):
        raise usage_error(f"unknown option {verb!r} before the verb; see saesteer --help")
    if verb not in VERBS:
        raise UnknownName.of("verb", verb, VERBS)
    if isinstance(parts := _target(verb), dict):
        if not words or words[0] in {"--help", "-h", "help"}:
            print(help_text(verb), end="")
            return 0 if words else 2
        if words[0] not in parts:
            raise UnknownName.of(f"part of {verb}", words[0], parts)
        verb, words = f"{verb} {words[0]}", words[1:]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with command(verb).make_context(f"saesteer {verb}", words) as context:
        context.command.invoke(context)
    return 0
