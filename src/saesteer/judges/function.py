"""A plain Python function as a judge. Knows that it may fail, and nothing of what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from saesteer.errors import InputError
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.runs import digest


class FunctionJudge:
    """Calls `function` with each JudgeRequest; a number or a truth value is behaviour.

    It may give a Judgement as well. None, and an exception, is a failed judgement.
    """

    def __init__(self, function: Callable[[JudgeRequest], Any], name: str = "") -> None:
        self._function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        return [self._one(request) for request in requests]

    def _one(self, request: JudgeRequest) -> Judgement:
        try:
            found = self._function(request)
            if isinstance(found, Judgement):
                return found
            return (
                Judgement.failed(f"{self.name} gave None") if found is None else Judgement(float(found), None)
            )
        except Exception as error:  # whatever a stranger's function raises is of this text alone
            return Judgement.failed(f"{type(error).__name__}: {error}")


class NamedFunctionJudge(FunctionJudge):
    """The same with a fingerprint: its caller says when the function has changed."""

    def __init__(self, function: Callable[[JudgeRequest], Any], version: str, name: str = "") -> None:
        super().__init__(function, name)
        self._version = version

    def fingerprint(self) -> str:
        """Of name and version, since code has no hash that would tell what it calls."""
        return digest({"judge": "function", "name": self.name, "version": self._version})


def function_judge(
    function: Callable[[JudgeRequest], Any], name: str = "", version: str | None = None
) -> FunctionJudge:
    """A judge of a function; with `version`, which is to change with the function, its sweeps may be kept."""
    if version is None:
        return FunctionJudge(function, name)
    if not isinstance(version, str) or not version:
        raise InputError(f"version is a text that changes with the function, got {version!r}")
    return NamedFunctionJudge(function, version, name)
