"""Train the SAEs of the SCAR experiment on the embedded world: one plain, one for each concept, one for all.

    python scripts/scar_saes.py --work build/scar

One pass over the stories trains them all, at two hookpoints; killed, it goes on where it stood. Called by
measure_scar.py. Shape as in the paper: layer-normalised TopK, six latents per input, half as many active.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch

from saesteer.latents import ActivationStream
from saesteer.model import load_model
from saesteer.saes import SAE
from saesteer.text import Document
from saesteer.training import Condition, Member, TrainConfig, train_saes
from saesteer.world.story import Story, tell
from saesteer.world.texts import story_about
from saesteer.world.tokens import token_labels
from saesteer.world.words import CONCEPTS as WORLD

CONCEPTS: Final = ("insults", "archaic", "unsafe")
HOOKPOINTS: Final = ("layers.3.mlp", "layers.3")  # what the paper edits, and the whole block
CONDITIONS: Final = {"plain": (), **{each: (each,) for each in CONCEPTS}, "all": CONCEPTS}
D_SAE, K, TOKENS, BATCH = 960, 80, 3_000_000, 2048
TRAIN_SEED, CHOICE_SEED, TEST_SEED = 80_000_000, 81_000_000, 82_000_000


def story(number: int, seed: int) -> Story:
    """Every other one is an ordinary story; of the others, each concept has as many."""
    if number % 2:
        return story_about(CONCEPTS[number // 2 % len(CONCEPTS)], seed + number)
    return tell(seed + number)


class Stories:
    """Endless documents with the labels of their tokens; may be read again."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[Document]:
        number = 0
        while True:
            told = story(number, self.seed)
            yield Document(told.text, str(number), meta={"labels": labels_of(told)})
            number += 1


def labels_of(told: Story) -> np.ndarray:
    """[tokens, concepts] without BOS and EOS: whether the token's sentence expresses the concept."""
    return token_labels(told.sentences)[1:-1, [WORLD.index(each) for each in CONCEPTS]].astype(np.float32)


def members() -> dict[str, Member]:
    found = {}
    for at in HOOKPOINTS:
        for name, concepts in CONDITIONS.items():
            config = TrainConfig(
                d_sae=D_SAE,
                k=K,
                tokens=TOKENS,
                lr=1e-3,
                dead_after_tokens=300_000,
                normalize_activations="layer_norm",
                condition=Condition(concepts) if concepts else None,
            )
            columns = tuple(CONCEPTS.index(each) for each in concepts)
            found[f"{at}.{name}"] = Member(at, config, columns)
    return found


def saes(work: Path) -> dict[str, SAE]:
    """Trained to their end; at once where they are."""
    lm = load_model("world")
    stream = ActivationStream(
        lm,
        Stories(TRAIN_SEED),
        HOOKPOINTS,
        batch_tokens=BATCH,
        labeller=lambda document: document.meta["labels"],
    )
    about = {"model_fingerprint": lm.fingerprint(), "corpus": f"stories of the world from {TRAIN_SEED}"}
    found = train_saes(stream, members(), work, [Lines()], model_name="world", metadata=about)
    return {name: each.sae for name, each in found.items()}


class Lines:
    """A log that prints."""

    def begin(self, name: str, earlier: object) -> None: ...

    def write(self, name: str, m: object) -> None:
        print(f"{name} {m}", flush=True)

    def close(self) -> None: ...


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/scar"))
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    saes(a.work)
