"""A model with what is done to it in a run: edits ready, readers ready, and an account of both.

Knows models, specs and SAEs; not the harness.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saesteer import __version__
from saesteer.harness.asked import Asked
from saesteer.harness.readings import Readings, readers_of
from saesteer.model import Edit, LanguageModel
from saesteer.runs import sha256_file, versions
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec, compile_edits
from saesteer.steering.held import load_saes


class Steered:
    """One setting of a model; making it checks the spec against the model."""

    def __init__(self, lm: LanguageModel, asked: Asked | None = None, readings: Path | None = None) -> None:
        self.lm, self.asked = lm, asked or Asked()
        self.spec: SteeringSpec | None = self.asked.spec()
        by_source: dict[str, SAE] = {}
        self._saes: dict[str, SAE] = {}
        self._edits: list[Edit] = []
        if self.spec is not None:
            self._saes = load_saes(lm, self.spec, {}, by_source, self.asked.force)
            self._edits, _ = compile_edits(lm, self.spec, None, self._saes, self.asked.force)
        self.readings = Readings(readers_of(lm, self.spec, by_source, self.asked.force), readings)

    @property
    def active(self) -> bool:
        """Whether anything is edited: no spec, or strength 0, is the plain model."""
        return bool(self._edits)

    @contextmanager
    def running(self, requests: int | None = None, reads: bool = False) -> Iterator[None]:
        """Inside, calls of the model in this context are steered, and read if `reads`; their rows are shared
        out among `requests`.
        """
        readers = self.readings.readers if reads else ()
        if not self._edits and not readers:
            yield
            return
        with self.lm.intervening([*readers, *self._edits], requests):
            yield

    def key(self) -> str:
        """What tells this setting from others; "" for the plain model."""
        return "" if self.spec is None or not self.active else self.spec.fingerprint()

    def account(self) -> dict[str, Any]:
        """Where results come from: plain values, for the file of results."""
        found: dict[str, Any] = {
            "version": __version__,
            "model": self.lm.fingerprint(),
            "steered": self.active,
        }
        found["versions"] = versions()
        if self.spec is None:
            return found | {"spec": None}
        asked, spec = self.asked, self.spec
        assert asked.file is not None
        found["spec"] = {
            "file": asked.file.name,
            "sha256": sha256_file(asked.file),
            "fingerprint": spec.fingerprint(),
            "strength": asked.strength,
            "interventions": spec.table().splitlines(),
        }
        found["saes"] = {
            name: {"source": reference.source, "sha256": self._hash(name)}
            for name, reference in spec.saes.items()
        }
        found["readings"] = [vars(each.about) for each in self.readings.readers]
        return found

    def _hash(self, name: str) -> str | None:
        return self._saes[name].fingerprint() if name in self._saes else None
