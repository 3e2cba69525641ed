"""Two halves of the prompts: strengths are chosen on one and reported on the other. Knows texts only."""

from __future__ import annotations

from collections.abc import Iterable

from saesteer.errors import InputError
from saesteer.evaluation.rows import Half, Row
from saesteer.runs import sha256_bytes


def prompt_id(prompt: str) -> str:
    """A short name for a prompt, the same everywhere."""
    return sha256_bytes(prompt.encode())[:12]


def split(prompts: Iterable[str], seed: int = 0) -> dict[str, Half]:
    """Prompt -> half, whatever the order; equal prompts share a half. The odd one goes to the test half.

    A single prompt cannot be split: it is for selection, and there is nothing to report on.
    """
    shuffled = sorted(set(prompts), key=lambda prompt: sha256_bytes(f"{seed}\0{prompt}".encode()))
    cut = max(1, len(shuffled) // 2)
    return {prompt: "selection" if place < cut else "test" for place, prompt in enumerate(shuffled)}


def check_halves(rows: Iterable[Row]) -> None:
    """InputError where a prompt stands in both halves: then the report would be on what was chosen by."""
    seen: dict[str, Half] = {}
    for row in rows:
        if seen.setdefault(row.prompt_id, row.half) != row.half:
            raise InputError(
                f"the prompt {row.prompt[:40]!r} is in both halves; sweep with the same prompts and seed"
            )
