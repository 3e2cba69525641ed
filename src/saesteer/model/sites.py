"""A site: one side of one module, where an activation can be read and replaced. Knows no family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.utils.generic import ModelOutput

from saesteer.errors import MissingHookpoint


@dataclass(frozen=True)
class Site:
    """Where an address points to."""

    address: str
    """The canonical address: what messages and results call it."""
    module: str
    """Path of the module from the top of the model."""
    side: str
    """"in" or "out"."""
    shared: bool = False
    """The caller goes on with the same tensor object (the residual around a norm): an edit writes into it."""


def read_input(site: Site, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The first tensor that the module is called with."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            return value
    raise MissingHookpoint(f"{site.address}: the module {site.module} is called without a tensor")


def write_input(args: tuple[Any, ...], kwargs: dict[str, Any], x: Tensor) -> tuple[Any, dict[str, Any]]:
    """The module's arguments with the first tensor replaced."""
    for place, value in enumerate(args):
        if isinstance(value, Tensor):
            return (*args[:place], x, *args[place + 1 :]), kwargs
    name = next(name for name, value in kwargs.items() if isinstance(value, Tensor))
    return args, {**kwargs, name: x}


def read_output(site: Site, output: Any) -> Tensor:
    """The tensor that the module returns, or the first one of a tuple or a Hugging Face output."""
    if isinstance(output, Tensor):
        return output
    first = output.to_tuple()[0] if isinstance(output, ModelOutput) else None
    if isinstance(output, tuple | list) and output:
        first = output[0]
    if isinstance(first, Tensor):
        return first
    raise MissingHookpoint(
        f"{site.address}: the module {site.module} returns a {type(output).__name__} without a first tensor"
    )


def write_output(output: Any, x: Tensor) -> Any:
    """The module's output with that tensor replaced."""
    if isinstance(output, Tensor):
        return x
    if isinstance(output, ModelOutput):
        copy = type(output)(**output)
        copy[next(iter(output))] = x
        return copy
    return type(output)([x, *output[1:]])
