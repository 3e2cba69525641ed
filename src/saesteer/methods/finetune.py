"""Full fine-tuning on a concept's positive texts: the baseline that changes every weight, of a copy."""

from __future__ import annotations

from saesteer.methods.descent import Descent, with_gradients
from saesteer.methods.pairs import Pairs
from saesteer.methods.tuned import Tuned, copied
from saesteer.methods.tuning import EVERY, finished, learn
from saesteer.model import LanguageModel
from saesteer.text import load_concept
from saesteer.text.concept import Concept


@with_gradients
def finetune(
    lm: LanguageModel,
    concept: Concept | str,
    *,
    steps: int = 40,
    lr: float = 2e-4,
    batch: int = 8,
    max_length: int = 32,
    held_out: float = 0.25,
    seed: int = 0,
) -> Tuned:
    """A copy of the model, tuned on the concept's positive texts by AdamW; `lm` itself stays as it is.

    `max_length`: tokens of a text that are read. `held_out`: the share of the texts that the best of `steps`
    is chosen by. It learns in float32 and needs five times the memory of such a copy: for small models.
    """
    concept = load_concept(concept)
    how = Descent(steps, lr, batch, seed, EVERY)
    pairs = Pairs.of(concept, held_out, seed)
    made = copied(lm).float().requires_grad_(True)
    curve = learn(LanguageModel(made, lm.tokenizer, lm.name), pairs, max_length, how)
    settings = {
        "steps": steps, "lr": lr, "batch": batch, "max_length": max_length,
        "held_out": held_out, "seed": seed,
    }  # fmt: skip
    return finished(lm, made, concept, "finetune", settings, curve)
