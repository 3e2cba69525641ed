"""Windows in which the latent is active beside windows in which it is silent: what sets them apart?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from saesteer.examples import LatentRecord
from saesteer.explainers.asking import Asking


@dataclass(frozen=True)
class Contrastive(Asking):
    """Hard negatives (neighbours, semantic) as silent windows make it say what matters."""

    name: str = field(default="contrastive", init=False)
    template: ClassVar[str] = "contrastive"

    def lacking(self, record: LatentRecord) -> str | None:
        """It needs both kinds."""
        if record.train and not record.silent_train:
            return "there is no silent window to compare with; draw non-activating examples"
        return super().lacking(record)
