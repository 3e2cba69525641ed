"""A control: the explanation of another latent. What scores no better than this explains nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from saesteer.examples import Explanation, Failure, LatentId, LatentRecord
from saesteer.examples.luck import digest_luck
from saesteer.runs import digest


@dataclass(frozen=True)
class RandomOther:
    """Drawn by seed and latent alone, so the same whatever is asked for in between.

    Of the same SAE where that has another; never the latent's own, nor one in the same words.
    """

    explanations: Iterable[Explanation]
    """Of all latents; those without text are left out."""
    seed: int = 0
    name: str = field(default="random", init=False)

    async def explain(self, record: LatentRecord) -> Explanation:
        """A failure "missing" where no other latent has an explanation."""
        own = {_folded(text) for id, text in self._pool if id == record.id}
        others = [each for each in self._pool if _folded(each[1]) not in own]
        near = [each for each in others if each[0].sae == record.id.sae] or others
        if not near:
            said = "no other latent has an explanation; explain others first"
            return Explanation(record.id, self.name, None, Failure("missing", said))
        luck = digest_luck(self.seed, *record.id, digits=16)
        other, text = near[int(luck.integers(len(near)))]
        return Explanation(record.id, self.name, text, details={"of": list(other), "seed": self.seed})

    def fingerprint(self) -> str:
        """Of the seed and all explanations."""
        return digest({"explainer": self.name, "seed": self.seed, "pool": self._pool})

    @cached_property
    def _pool(self) -> list[tuple[LatentId, str]]:
        return sorted({(each.latent, each.text) for each in self.explanations if each.text})


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
