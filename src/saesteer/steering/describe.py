"""A spec in plain words, one line per intervention in the order of the spec. Knows records; no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from saesteer.steering.control import Control
from saesteer.steering.intervention import Intervention
from saesteer.steering.strength import Strength
from saesteer.steering.watched import Watched
from saesteer.steering.when import When
from saesteer.steering.where import Where

_SHOWN: Final = 4  # latents of a list that are named; the others are counted


def table(interventions: Sequence[Intervention]) -> str:
    """Numbered lines. At one hookpoint they act from top to bottom; hookpoints, in the model's order."""
    return "\n".join(f"{number}. {describe(each)}" for number, each in enumerate(interventions, 1))


def describe(each: Intervention) -> str:
    """One intervention: place, what is done, how strongly, at which tokens, when, under which control."""
    place = each.hookpoint if each.head is None else f"{each.hookpoint}, head {each.head}"
    parts = [_WORDS[each.op](each), _strength(each.strength, each.op), _where(each.where)]
    if each.when is not None:
        parts.append(_when(each.when))
    if each.control is not None:
        parts.append(_control(each.control))
    return f"{place}: {'; '.join(parts)}"


def _add(each: Intervention) -> str:
    return f"add {each.tensor} at length 1" if each.normalize else f"add {each.tensor} as long as it is"


def _project_out(each: Intervention) -> str:
    return f"take out what lies along {each.tensor}{_counted(each)}"


def _set_projection(each: Intervention) -> str:
    return f"set how far it reaches along {each.tensor}{_counted(each)}"


def _low_rank(each: Intervention) -> str:
    bias = f" + {each.bias}" if each.bias else ""
    return f"add (x {each.tensor}{bias}) {each.tensor_out}"


def _latents(verb: str, between: str) -> Callable[[Intervention], str]:
    def words(each: Intervention) -> str:
        found = _named(each.latents or (), lambda latent, value: f"{latent} {between} {value:g}".strip())
        unit = "" if each.unit == "raw" else f" (in {each.unit})"
        active = ", where active" if each.only_active else ""
        return f"{verb} of {each.sae}: {found}{unit}{active}{_error(each)}"

    return words


def _reweight(each: Intervention) -> str:
    how = {"weight": "size and choice", "swap": "choice alone"}.get(str(each.mode), "as published")
    return f"multiply the latents of {each.sae} by the scores {each.scores} ({how}){_error(each)}"


_WORDS: Final[Mapping[str, Callable[[Intervention], str]]] = {
    "add": _add,
    "project_out": _project_out,
    "set_projection": _set_projection,
    "rotate": lambda each: f"turn towards {each.tensor}",
    "low_rank": _low_rank,
    "set_latents": _latents("set latents", "to"),
    "add_latents": _latents("add to latents", "by"),
    "scale_latents": _latents("multiply latents", "by"),
    "reweight_latents": _reweight,
    "splice": lambda each: f"put the reconstruction of {each.sae} in its place",
}


def _counted(each: Intervention) -> str:
    return f", counted from {each.bias}" if each.bias else ""


def _error(each: Intervention) -> str:
    return "" if each.keep_error else ", reconstruction error lost"


def _strength(strength: Strength, op: str) -> str:
    if strength.value == 0:
        return "off"
    unit = {"raw": "degrees" if op == "rotate" else ""}.get(strength.unit, strength.unit)
    resolved = f" = {strength.plain:g}" if strength.unit != "raw" and strength.plain is not None else ""
    return f"strength {strength.value:g} {unit}".rstrip() + resolved


def _where(where: Where) -> str:
    if where.token_ids is not None:
        place = f"tokens {_named(where.token_ids, str)}"
    elif isinstance(where.positions, tuple):
        place = f"positions {where.positions[0]} to {where.positions[1] - 1}"
    else:
        place = {"all": "every position", "generated": "generated positions", "prompt": "the prompt"}.get(
            where.positions, f"the {where.positions} position"
        )
    return place + (f" but {' and '.join(where.skip)}" if where.skip else "")


def _when(when: When) -> str:
    bounds = [
        f"{word} {number:g}" for word in ("above", "below") if (number := getattr(when, word)) is not None
    ]
    return f"{_SCOPES[when.scope]} {_watched(when)} is {' and '.join(bounds)}"


_SCOPES: Final = {
    "token": "where",
    "sequence": "from the first token on where",
    "until": "up to the first token where",
}


def _control(control: Control) -> str:
    least = f", but {control.floor:g} of it at least" if control.floor else ""
    return f"the less of it the nearer {_watched(control)} comes to {control.target:g}{least}"


def _watched(each: Watched) -> str:
    if each.tensor is not None:
        value = f"the projection on {each.tensor}"
    elif each.latent is not None:
        value = f"latent {each.latent} of {each.sae}"
    else:
        found = _named(each.latents or (), lambda latent, weight: f"{weight:g} x {latent}")
        value = f"the {each.combine} of latents {found} of {each.sae}"
    return f"{value} at {each.hookpoint}"


def _named(found: Sequence[object], words: Callable[..., str]) -> str:
    shown = [words(*each) if isinstance(each, tuple) else words(each) for each in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return ", ".join([*shown, *more])
