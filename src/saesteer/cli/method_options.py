"""What a command line gives to a method, whose signature says which options it takes. Knows none of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saesteer.cli import options
from saesteer.errors import InputError
from saesteer.methods import TABLE
from saesteer.methods.calling import call, checked_options

if TYPE_CHECKING:
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE
    from saesteer.steering import SteeringSpec
    from saesteer.text import Concept

Method = Callable[..., Any]


def methods_page() -> str:
    """The methods for a page of help, one line each."""
    width = max(map(len, TABLE))
    lines = [f"  {name:{width}}  {each.about}" for name, each in TABLE.items()]
    return "\n".join(["Methods:", *lines])


def latents_of(texts: Sequence[str]) -> list[tuple[int, float]]:
    """From "123" or "77=-0.5": latents with weights, 1 where none is given."""
    found = []
    for text in texts:
        latent, equals, weight = text.partition("=")
        try:
            found.append((int(latent), float(weight) if equals else 1.0))
        except ValueError as error:
            raise InputError(
                f"--latent is a number, or one with a weight as 77=-0.5, got {text!r}"
            ) from error
    return found


READ: Final[dict[str, Callable[[Any], Any]]] = {
    "latent": latents_of,
    "scores": lambda path: _existing("scores", path),
    "layers": list,
}
"""Options whose text is made into something else for the method; the others are handed over as they are."""


def chosen(name: str, given: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Method, dict[str, Any]]:
    """The method and its settings; what it does not take is refused before anything is loaded."""
    from saesteer.methods import METHODS, TUNERS

    if name in TUNERS:
        raise InputError(f"{name!r} makes a model, no spec; saesteer tune CONCEPT --method {name} does that")
    method = METHODS.get(name)
    takes = inspect.signature(method).parameters
    for option, value in given.items():
        if value is not None and option not in takes:
            raise InputError(f"--{option} is not for the method {name!r}, got {value!r}; leave it out")
    for option in settings:
        if given.get(option) is not None:
            raise InputError(f"--{option} is given by --set too; give it once")
    told = [option for option, value in given.items() if value is not None]
    return method, checked_options(name, method, settings, told)


def build(
    name: str,
    method: Method,
    lm: LanguageModel,
    concept: Concept,
    given: Mapping[str, Any],
    settings: Mapping[str, Any],
    sae: SAE | None,
) -> SteeringSpec:
    """Call the method with those of the options, and of what every method may ask for, that it takes.

    `settings`: of --set, as `chosen` returned them; null among them is a value.
    """
    from saesteer.cli.inputs import absolute
    from saesteer.steering import SteeringSpec

    offered = {key: READ.get(key, _same)(value) for key, value in given.items() if value is not None}
    source = absolute(str(given.get("sae") or options.SAE))
    spec = call(method, lm, concept, {**offered, **settings}, sae, source, options.HOOKPOINT)
    if isinstance(spec, SteeringSpec):
        return spec
    made = f"{len(spec)} prefixes, such as {spec[0]!r}" if isinstance(spec, tuple) else type(spec).__name__
    raise InputError(
        f"{name} makes no spec but {made}: there is nothing to write; put a prefix into your prompts, "
        "or take another method"
    )


def _same(value: Any) -> Any:
    return value


def _existing(option: str, path: str | Path) -> str:
    if not Path(path).exists():
        raise InputError(f"--{option}: there is no file or folder {str(path)!r}; check the path")
    return str(path)
