"""Train the embedded world's SAEs (TopK with AuxK) on stories from the grammar. Called by build_world.py;
resumable and seeded.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import torch

from saesteer.latents import ActivationSource
from saesteer.model import load_model
from saesteer.saes import load_sae
from saesteer.training import TrainConfig, evaluate_sae, loss_recovered, train_sae
from saesteer.world.story import tell

TRAIN_SEED, TEST_SEED = 50_000_000, 60_000_000
_ALIKE = {"k": 32, "tokens": 5_000_000, "dead_after_tokens": 300_000}
CONFIGS = {  # the residual stream, and what the last attention fetches: there topics stand out most
    "layers.3": TrainConfig(d_sae=3072, lr=2e-3, **_ALIKE),
    "layers.4.attn": TrainConfig(d_sae=768, lr=1e-3, **_ALIKE),
}
BATCH = 2048


def story_texts(first_seed: int) -> Iterator[str]:
    seed = first_seed
    while True:
        yield tell(seed).text
        seed += 1


def train_all(lm_folder: Path, work: Path) -> None:
    """Both depths at once, a process each."""
    context = get_context("spawn")
    processes = [context.Process(target=train_one, args=(lm_folder, work, at)) for at in CONFIGS]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("an SAE could not be trained; see above")


def train_one(lm_folder: Path, work: Path, at: str) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // len(CONFIGS)))
    lm = load_model(str(lm_folder))
    folder = work / at
    if not (folder / "cfg.json").exists():
        source = ActivationSource(lm, story_texts(TRAIN_SEED), at, batch_tokens=BATCH, seed=0)
        result = train_sae(
            source.after,  # taken up after a kill without computing again what came before
            CONFIGS[at],
            checkpoint=work / f"{at}.ckpt",
            on_metrics=lambda m: print(
                f"{at} {m.tokens} tokens, fvu {m.fvu:.4f}, dead {m.dead:.3f}, {m.seconds:.0f} s", flush=True
            ),
            hook_name=at,
            model_name="world",
            metadata={
                "corpus": f"stories of the embedded world from seed {TRAIN_SEED}",
                "model_fingerprint": lm.fingerprint(),
            },
        )
        result.sae.save(folder)
    found = quality(lm, load_sae(folder), at)
    (work / f"{at}.json").write_text(json.dumps(found, indent=1))
    print(at, json.dumps(found), flush=True)


def quality(lm, sae, at: str, stories: int = 3000) -> dict[str, float]:
    """FVU, L0, dead latents and the loss recovered, on stories that no training saw."""
    texts = [tell(TEST_SEED + i).text for i in range(stories)]
    found = asdict(evaluate_sae(sae, ActivationSource(lm, texts, at, batch_tokens=BATCH, seed=0)))
    recovered = loss_recovered(lm, sae, lm.tokenize(texts[:200]), at)
    shares = {"recovered_over_zero": recovered.over_zero, "recovered_over_mean": recovered.over_mean}
    return found | {f"loss_{k}": v for k, v in asdict(recovered).items()} | shares
