"""How a method is called by name: its signature says which options it takes. Knows no method itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.methods.option_values import checked

if TYPE_CHECKING:
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE
    from saesteer.text import Concept

_OURS: Final = ("lm", "concept", "sae", "source", "strength")  # given by the caller itself, not by an option


def checked_options(
    name: str,
    method: Callable[..., Any],
    settings: Mapping[str, Any],
    given: Collection[str] = (),
    where: str = "--set",
) -> dict[str, Any]:
    """The settings as the method wants them, before anything is loaded.

    `given`: options that come another way. UnknownName for one that the method does not take, InputError for
    a value of another kind and for one that is missing; `at` and the SAE are not asked for here.
    """
    takes = inspect.signature(method).parameters
    own = [each for each in takes if each not in _OURS]
    for option in settings:
        if option not in own:
            raise UnknownName.of(f"option of the method {name!r}", option, own)
    needed = [each for each in own if takes[each].default is inspect.Parameter.empty and each != "at"]
    missing = [each for each in needed if each not in given and each not in settings]
    if missing and where == "--set":
        raise InputError(f"the method {name!r} needs --{missing[0]}; see saesteer steer --help")
    if missing:
        raise InputError(f"{where}: the method {name!r} needs {missing[0]}; give it")
    return checked(method, settings, where)


def takes(method: Callable[..., Any], option: str) -> bool:
    """Whether the method has that option."""
    return option in inspect.signature(method).parameters


def call(
    method: Callable[..., Any],
    lm: LanguageModel,
    concept: Concept,
    options: Mapping[str, Any],
    sae: SAE | None = None,
    source: str | None = None,
    at: str | None = None,
) -> Any:
    """The method's result, called with those of the options, the concept and the SAE that it takes.

    `at`: the hookpoint of a method that must have one and is given neither one nor an SAE.
    """
    known = inspect.signature(method).parameters
    offered = {**options, "concept": concept}
    if sae is not None:
        offered |= {"sae": sae, "source": source}
    elif "at" in known and known["at"].default is inspect.Parameter.empty and at is not None:
        offered.setdefault("at", at)
    return method(lm, **{key: value for key, value in offered.items() if key in known})
