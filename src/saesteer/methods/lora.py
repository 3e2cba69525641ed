"""LoRA (Hu et al. 2021, arXiv 2106.09685) through peft: low-rank changes of a copy, merged into it."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from saesteer.errors import InputError, MissingExtra
from saesteer.methods.descent import Descent, with_gradients
from saesteer.methods.pairs import Pairs
from saesteer.methods.tuned import Tuned, copied
from saesteer.methods.tuning import EVERY, finished, learn
from saesteer.model import LanguageModel
from saesteer.text import load_concept
from saesteer.text.concept import Concept


@with_gradients
def lora(
    lm: LanguageModel,
    concept: Concept | str,
    *,
    rank: int = 8,
    steps: int = 40,
    lr: float = 2e-3,
    batch: int = 8,
    max_length: int = 32,
    held_out: float = 0.25,
    seed: int = 0,
) -> Tuned:
    """A copy of the model with changes of `rank` in every linear layer but the last, merged; `lm` stays.

    Scaled by alpha / rank = 2, without dropout. Otherwise as `finetune`, with far less memory for the
    optimiser.
    """
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise InputError(f"rank is a whole number, at least 1, got {rank!r}; try 8")
    concept = load_concept(concept)
    how = Descent(steps, lr, batch, seed, EVERY)
    pairs = Pairs.of(concept, held_out, seed)
    adapted = _adapted(copied(lm), rank, seed)
    base = adapted.get_base_model()
    curve = learn(LanguageModel(base, lm.tokenizer, lm.name), pairs, max_length, how)
    settings = {
        "rank": rank, "steps": steps, "lr": lr, "batch": batch, "max_length": max_length,
        "held_out": held_out, "seed": seed,
    }  # fmt: skip
    return finished(lm, adapted.merge_and_unload(), concept, "lora", settings, curve)


def _adapted(made: Any, rank: int, seed: int) -> Any:
    """The copy with adapters in it; MissingExtra without peft."""
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise MissingExtra.of("peft", "lora") from error
    from transformers.pytorch_utils import Conv1D

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        # GPT-2 keeps its weights the other way round, and peft warns unless it is told.
        fan_in_fan_out=any(isinstance(each, Conv1D) for each in made.modules()),
        task_type=TaskType.CAUSAL_LM,
    )
    # peft draws from the global generator, and asks transformers for a name that it has replaced.
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        return get_peft_model(made, config)
