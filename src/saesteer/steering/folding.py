"""A steered model as a plain Hugging Face model: what adds a vector everywhere becomes a bias in the weights.

Gates, windows and other ops have no place there. A bias acts at BOS and special tokens too. The folder is
loaded by plain transformers afterwards and its logits compared with the steered model's.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, SaesteerError
from saesteer.model import LanguageModel, Tokens
from saesteer.runs.writing import clear_errors
from saesteer.saes import SAE
from saesteer.steering.apply import steer
from saesteer.steering.biases import FoldedWeights
from saesteer.steering.fields import inside
from saesteer.steering.formats.limits import active, check_everywhere, check_ungated, unsupported
from saesteer.steering.prepare import Ready, prepare
from saesteer.steering.spec import SteeringSpec

TOLERANCE: Final = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far logits may lie apart, as a share of the largest one: a bias is rounded to the model's dtype."""
_WHAT: Final = "a bias"
_PROBES: Final = (4, 24)  # rows and tokens


@dataclass(frozen=True)
class Folded:
    """What was written."""

    folder: Path
    hookpoints: tuple[str, ...]
    """What was steered there is in the weights."""
    difference: float
    """The largest between logits of the steered model and of the folder's, on random tokens."""
    largest: float
    """The largest logit there."""


def export_model(
    lm: LanguageModel,
    spec: SteeringSpec,
    folder: str | Path,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> Folded:
    """Write the steered model as a plain Hugging Face folder, which must be new or empty.

    The spec must act everywhere (`spec.everywhere()`). `saes`, `force`: as in `steer`. Raises BadSpec, which
    names the intervention that no bias can stand for, and SaesteerError where the two models do not agree.
    """
    folder = Path(folder)
    with clear_errors(folder):
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken:
        raise InputError(f"{folder} exists already; give the name of a new folder")
    weights = FoldedWeights(lm)
    ready = prepare(lm, spec, saes, force)
    for place, _ in active(spec.interventions, _WHAT):
        each, record = ready[_number(place)], spec.interventions[_number(place)]
        check_everywhere(record, place, _WHAT)
        check_ungated(record, place, _WHAT)
        if each.op != "add":
            raise unsupported(record, place, _WHAT, "add alone")
        with inside(place):
            weights.add(each.hookpoint, each.amount(None) * _whole(lm, each))
    with _appearing(folder) as new:
        weights.write(new)
        difference, largest = _compare(lm, spec, saes, force, new)
    hookpoints = tuple(dict.fromkeys(each.hookpoint for each in ready))
    return Folded(folder, hookpoints, difference, largest)


def _whole(lm: LanguageModel, each: Ready) -> Float[Tensor, " d"]:
    """What the intervention adds to the whole activation: of one head, zero elsewhere."""
    vector = each.tensors["tensor"]
    if each.head is None or each.d_head is None:
        return vector
    found = vector.new_zeros(math.prod(lm.shape(each.hookpoint)))
    found[each.head * each.d_head : (each.head + 1) * each.d_head] = vector
    return found


def _number(place: str) -> int:
    return int(place.partition("[")[2].rstrip("]"))


def _compare(
    lm: LanguageModel, spec: SteeringSpec, saes: Mapping[str, SAE] | None, force: bool, folder: Path
) -> tuple[float, float]:
    """The largest difference between logits, and the largest logit; SaesteerError where that is too much."""
    draw = torch.Generator().manual_seed(0)
    width = min(_PROBES[1], lm.max_positions or _PROBES[1])
    tokens = Tokens.of(torch.randint(lm.vocab_size, (_PROBES[0], width), generator=draw).tolist())
    tokens = tokens.to(lm.device)
    with steer(lm, spec, saes=saes, force=force):
        steered = lm.logits(tokens).float()
    folded = _loaded(lm, folder).logits(tokens).float()
    difference, largest = float((folded - steered).abs().max()), float(steered.abs().max())
    if not difference <= TOLERANCE[lm.dtype] * max(largest, 1.0):
        raise SaesteerError(
            f"the folded model's logits differ from the steered model's by {difference:.3g} (largest: "
            f"{largest:.3g}), so nothing is written; steer with the spec, and please report the model"
        )
    return difference, largest


def _loaded(lm: LanguageModel, folder: Path) -> LanguageModel:
    """By plain transformers, on the model's own device."""
    from transformers import AutoModelForCausalLM

    attention = lm.arithmetic["attention"]
    hf: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=lm.dtype, attn_implementation=attention)
    return LanguageModel(hf.to(lm.device))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder beside it that becomes `folder` when the block ends well, and vanishes else."""
    with clear_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(mkdtemp(prefix=f".{folder.name[:100]}.", dir=folder.parent))
    try:
        yield new
        with clear_errors(folder):
            new.chmod(0o755)
            if folder.exists():  # empty
                folder.rmdir()
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
