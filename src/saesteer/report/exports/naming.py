"""What other projects call models, layers and sets of SAEs. Knows names, no figures."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from saesteer.cache import LatentCache

_PARTS: Final = {
    "": "hook_resid_post",
    ".in": "hook_resid_pre",
    ".mid": "hook_resid_mid",
    ".attn": "hook_attn_out",
    ".mlp": "hook_mlp_out",
    ".mlp.act": "mlp.hook_post",
    ".mlp.in": "mlp.hook_in",
    ".attn.heads": "attn.hook_z",
}
"""Part of `layers.N` -> the name within `blocks.N.` that TransformerLens has for it."""
_LONGEST: Final = 60
IMPORTER: Final = "clkht01d40000jv08hvalcvly"
"""The user whom Neuronpedia and SAEDashboard take for imported rows unless another one is given."""


@dataclass(frozen=True)
class Names:
    """Of one export. `model` and `set` are part of file names and addresses there."""

    model: str
    set: str = "saesteer"
    creator: str = ""
    creator_id: str = IMPORTER
    release: str = "saesteer"
    title: str = ""
    dataset: str = ""
    created: str = ""
    explanation_type: str = ""
    """One that the database knows; an import of explanations fails at any other, but for none."""
    explanation_model: str = ""
    """The same."""

    @classmethod
    def of(cls, cache: LatentCache, model: str = "", created: str = "") -> Names:
        """From what the cache says of itself."""
        named = model or str(cache.about.get("model") or "model")
        made = created or datetime.now(UTC).isoformat(timespec="seconds")
        return cls(slug(named.rstrip("/").rsplit("/", 1)[-1]), dataset=_texts(cache), created=made)


@dataclass(frozen=True)
class Source:
    """One SAE there."""

    id: str
    layer: int
    suffix: str
    hook: str | None
    """In TransformerLens' words; None where there is none."""


def sources(cache: LatentCache, names: Names) -> dict[str, Source]:
    """SAE of the cache -> its name there, `LAYER-SET`; two of one layer are told apart by a suffix."""
    layers = {name: _layer(cache[name].hookpoint) for name in cache.names}
    shared, taken = Counter(layers.values()), Counter[str]()
    found = {}
    for name, layer in layers.items():
        suffix = slug(name) if shared[layer] > 1 else ""
        base = f"{layer}-{slug(names.set)}" + (f"__{suffix}" if suffix else "")
        taken[base] += 1
        number = f"-{taken[base]}" if taken[base] > 1 else ""
        hook = hook_name(cache[name].hookpoint)
        found[name] = Source(base + number, layer, suffix + number, hook)
    return found


def hook_name(hookpoint: str) -> str | None:
    """`layers.3` -> `blocks.3.hook_resid_post`."""
    found = re.fullmatch(r"layers\.(\d+)(.*)", hookpoint)
    part = _PARTS.get(found[2]) if found else None
    return f"blocks.{found[1]}.{part}" if found and part else None


def slug(name: str) -> str:
    """Small letters, digits and hyphens: what can be part of an address and of a file name anywhere."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST].strip("-") or "unnamed"


def _layer(hookpoint: str) -> int:
    found = re.search(r"\d+", hookpoint)
    return int(found[0]) if found else 0


def _texts(cache: LatentCache) -> str:
    for name in ("dataset", "texts", "source"):
        if isinstance(found := cache.about.get(name), str):
            return found
    return ""
