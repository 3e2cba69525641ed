"""One way of steering in an experiment: a method with its options, a spec, prefixes, or variants of one.

diffmean
{method: sae_decoder, sae: s, name: two latents, options: {top: 2}, strengths: [0.2, 0.3]}
{method: diffmean, variants: {at: [layers.2, layers.3]}}    tried side by side, one is chosen
{method: sae_ts, from: optimised, options: {effects: runs/effects}}    the latents of a task
{spec: mine.yaml, name: mine}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Final, get_args

from saesteer.concepts import CHOOSERS
from saesteer.errors import InputError, UnknownName
from saesteer.methods import METHODS, TUNERS
from saesteer.methods.calling import checked_options, takes
from saesteer.report.records import Role
from saesteer.runs import plain
from saesteer.runs.fields import is_number, made, said, typed

PROMPTING: Final = "prompting"
LATENTS: Final = ("features", "optimised")
LARGEST: Final = 1e30
"""Of a strength: what float32 still multiplies to a number."""
_NAME: Final = re.compile(r"[\w][\w .+-]{0,59}")
_ROLES: Final[Mapping[str, Role]] = {PROMPTING: "prompting", "random_direction": "control"}


@dataclass(frozen=True)
class Variant:
    """One of the ways of a method that are tried side by side."""

    name: str
    """What its rows say; empty where there is one."""
    at: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class MethodChoice:
    """A method as an experiment takes it."""

    name: str
    """Its own in results and files."""
    method: str | None = None
    """A name of METHODS or TUNERS; None for a spec."""
    spec: str | None = None
    """A file."""
    label: str = ""
    """As people read it; the name where there is none."""
    role: str = ""
    sae: str | None = None
    """A name of the experiment's SAEs."""
    at: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Any] = field(default_factory=dict)
    """Option (or at) -> its values, every combination of which is tried."""
    strengths: tuple[float, ...] = ()
    task_latents: str | None = None
    """features or optimised: which latents of a task are taken; `from` in a file."""
    goal: float | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"a name of a method is up to 60 letters, digits and . + - _, got {self.name!r}; rename it"
            )
        if (self.method is None) == (self.spec is None):
            raise InputError(f"the method {self.name!r} is one of method and spec; give one of the two")
        if self.role and self.role not in get_args(Role):
            raise UnknownName.of(f"role of the method {self.name!r}", self.role, get_args(Role))
        if self.task_latents is not None and self.task_latents not in LATENTS:
            raise UnknownName.of(f"latents (from) of the method {self.name!r}", self.task_latents, LATENTS)
        if self.spec is not None and (self.options or self.variants or self.sae or self.task_latents):
            raise InputError(
                f"the spec {self.name!r} takes no options, variants, sae or from; leave them out"
            )
        if self.method is not None:
            self._check_options()

    def _check_options(self) -> None:
        """Options against the method's signature, of every variant."""
        assert self.method is not None
        function = self.function
        if not self.steers and (self.at or self.strengths or self.variants):
            raise InputError(
                f"the method {self.name!r} writes prefixes; leave out at, strengths and variants"
            )
        if self.at is not None and not takes(function, "at"):
            raise InputError(f"the method {self.name!r} acts at no hookpoint; leave out at")
        if self.sae is not None and not takes(function, "sae"):
            raise InputError(f"the method {self.name!r} takes no SAE; leave out sae, and give at")
        given = ["latent"] if self.task_latents is not None and takes(function, "latent") else []
        where = f"methods: {self.name}"
        for name, values in self.variants.items():
            if not isinstance(values, list | tuple) or not values:
                raise InputError(f"{where}: variants: {name} is a list of values, got {values!r}; mend it")
            if any(value in values[:place] for place, value in enumerate(values)):
                raise InputError(
                    f"{where}: variants: {name} are different values, got {values!r}; name each once"
                )
            if name == "at" and not all(isinstance(each, str) for each in values):
                raise InputError(f"{where}: variants: at are names of hookpoints, got {values!r}; mend it")
            if name in self.options or (name == "at" and self.at is not None):
                raise InputError(f"{where}: {name} stands among options and variants; give it once")
        for each in self.each_variant():
            checked_options(self.method, function, each.options, given, where)
            if "choose" in each.options and function.__module__.startswith("saesteer."):
                CHOOSERS.get(each.options["choose"])

    @property
    def function(self) -> Any:
        """What is called; the method's module is imported here."""
        if self.method in TUNERS:
            return TUNERS.get(str(self.method))
        return METHODS.get(str(self.method))

    @property
    def steers(self) -> bool:
        """Whether it has strengths; a prefix has none."""
        return self.method != PROMPTING

    @property
    def role_shown(self) -> Role:
        """The role that was given, else the method's usual one."""
        return self.role or _ROLES.get(self.method or "", "steering")  # type: ignore[return-value]

    @property
    def label_shown(self) -> str:
        return self.label or self.name.replace("_", " ")

    def each_variant(self) -> tuple[Variant, ...]:
        """Every combination of the values of `variants`."""
        names = list(self.variants)
        found = []
        for values in product(*self.variants.values()):
            changed = dict(zip(names, values, strict=True))
            at = changed.pop("at", self.at)
            said = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            found.append(Variant(said, at, {**self.options, **changed}))
        return tuple(found)

    @classmethod
    def of(cls, given: Any, number: int) -> MethodChoice:
        """From a name or a mapping."""
        values = {"method": given} if isinstance(given, str) else dict(given) if _is_mapping(given) else None
        if values is None:
            raise InputError(f"methods[{number}] is a name or a mapping, got {given!r}; mend it")
        known = [each.name for each in fields(cls) if each.name != "task_latents"] + ["from"]
        for key in values:
            if key not in known:
                raise UnknownName.of(f"field of methods[{number}]", key, known)
        if "from" in values:
            values["task_latents"] = typed(f"methods[{number}]: from", values.pop("from"), str)
        if "strengths" in values:
            values["strengths"] = numbers(values["strengths"], f"methods[{number}]: strengths")
            if not values["strengths"]:
                raise InputError(f"methods[{number}]: strengths is empty; give some, or leave the key out")
        method = values.get("method")
        if isinstance(method, str) and method not in TUNERS:
            METHODS.get(method)  # UnknownName
        values.setdefault("name", method if isinstance(method, str) else _stem(values.get("spec")))
        found: MethodChoice = made(cls, values, f"methods[{number}]")
        return found

    def to_dict(self) -> dict[str, Any]:
        """What `of` reads; what was left out stays out."""
        record = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        record["from"] = record.pop("task_latents")
        return {key: value for key, value in record.items() if value not in (None, "", [], {})}


def numbers(value: Any, where: str) -> tuple[float, ...]:
    """Different finite numbers."""
    found = value if isinstance(value, list | tuple) else [value]
    if any(not is_number(each) for each in found):
        odd = next(each for each in found if not is_number(each))
        raise InputError(f"{where} are different finite numbers, {said(odd)}")
    if any(not abs(each) < LARGEST for each in found) or len({*map(float, found)}) < len(found):
        raise InputError(f"{where} are different finite numbers, got {value!r:.200}; mend it")
    return tuple(float(each) for each in found)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _stem(spec: Any) -> str:
    return re.split(r"[/\\]", spec)[-1].rsplit(".", 1)[0] if isinstance(spec, str) else ""
