"""How long topic alignment takes, stage by stage, and what each manipulation adds to writing. On the world.

    python scripts/measure_topic_times.py --json docs/figures/topic_times.json

Four stages (arXiv 2506.12576): embedding per token; model, SAE and summary per token; distances per prompt;
scoring per prompt. Then writing: each manipulation less the plain model, per token, in rounds that alternate.
The expensive baseline: a copy of the model fine-tuned on the topic texts. Rounds are whole repetitions, after
one that does not count; tokens are those that were there, padding left out; a device is waited for.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from saesteer.concepts import align_topic, score_intervals, topic_scores
from saesteer.concepts.summaries import summarise_texts
from saesteer.embeddings import embed_pieces, load_embedder, squared_distances
from saesteer.methods import topic_alignment
from saesteer.methods.topic_alignment import MANIPULATIONS
from saesteer.model import LanguageModel, load_model
from saesteer.saes import SAE, load_sae
from saesteer.statistics import bootstrap_mean
from saesteer.steering import SteeringSpec, steer
from saesteer.text import load_concept
from saesteer.world.reading import judge_text
from saesteer.world.reference import reference_prompts, topic_texts
from saesteer.world.texts import openings

AT: Final = "layers.3"
TOKENS: Final = 40


def clock(device: torch.device, work: Callable[[], Any]) -> float:
    """Seconds until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def summary(seconds: list[float], per: int = 1) -> dict[str, float]:
    """Mean and 95 % interval over rounds, each shared out among `per`."""
    found = bootstrap_mean(np.array(seconds) / per)
    return {"mean": found.estimate, "low": found.low, "high": found.high, "per": per, "rounds": len(seconds)}


def repeated(device: torch.device, rounds: int, work: Callable[[], Any]) -> list[float]:
    work()
    return [clock(device, work) for _ in range(rounds)]


def stages(lm: LanguageModel, sae: SAE, rounds: int) -> dict[str, dict[str, float]]:
    prompts, texts = reference_prompts(), topic_texts("sea")
    model, device = load_embedder("minilm"), lm.device
    every = [*prompts, *texts]
    tokens = sum(len(model._model.tokenizer(each)["input_ids"]) for each in every)  # type: ignore[attr-defined]
    one, other = embed_pieces(prompts, model), embed_pieces(texts, model)
    read = summarise_texts(lm, sae, prompts, AT)
    nearest = squared_distances(one, other).min(1)
    each = {
        "embedding, per token": (tokens, lambda: embed_pieces(every, model)),
        "model, SAE and summary, per token": (read.tokens, lambda: summarise_texts(lm, sae, prompts, AT)),
        "distances, per prompt": (len(prompts), lambda: squared_distances(one, other).min(1)),
        "scoring, per prompt": (len(prompts), lambda: topic_scores(read.matrix, nearest)),
        "intervals of 400 draws, per prompt": (len(prompts), lambda: score_intervals(read.matrix, nearest)),
    }
    return {name: summary(repeated(device, rounds, work), per) for name, (per, work) in each.items()}


def writing(lm: LanguageModel, sae: SAE, rounds: int, rows: int) -> dict[str, dict[str, float]]:
    """Seconds per token of each manipulation, and more than the plain model's in the same round."""
    specs = made(lm, sae)
    prompts = openings(rows)
    seconds: dict[str, list[float]] = {mode: [] for mode in specs}
    for number in range(rounds + 1):
        for mode, spec in specs.items():
            taken = clock(lm.device, lambda spec=spec: write(lm, sae, spec, prompts))
            if number:
                seconds[mode].append(taken)
    found = {}
    for mode, taken in seconds.items():
        more = [one - other for one, other in zip(taken, seconds["orig"], strict=True)]
        found[mode] = {"whole": summary(taken, rows * TOKENS), "more": summary(more, rows * TOKENS)}
    return found


def made(lm: LanguageModel, sae: SAE) -> dict[str, SteeringSpec]:
    """The five manipulations towards the sea."""
    scores = align_topic(lm, sae, topic_texts("sea"), uncertainty=True, name="sea")
    return {mode: topic_alignment(lm, None, sae, scores, mode=mode) for mode in MANIPULATIONS}


def write(lm: LanguageModel, sae: SAE, spec: SteeringSpec, prompts: list[str]) -> list[str]:
    with steer(lm, spec, saes={"s": sae}):
        return [row.text for row in lm.generate(prompts, max_new_tokens=TOKENS, stop=False)]


def acceptability(lm: LanguageModel, sae: SAE, epochs: int, rows: int = 192) -> dict[str, dict[str, float]]:
    """Shares of texts: with the topic, without a malformed sentence, and acceptable, which is both."""
    prompts, labels = openings(rows), load_concept("world/sea").labels
    tuned = LanguageModel(fine_tuning(lm, epochs), lm.tokenizer, "tuned", lm.batch_tokens)
    texts = {mode: write(lm, sae, spec, prompts) for mode, spec in made(lm, sae).items()}
    plain = tuned.generate(prompts, max_new_tokens=TOKENS, stop=False)
    texts["fine-tuning"] = [row.text for row in plain]
    found = {}
    for mode, written in texts.items():
        read = [judge_text(text) for text in written]
        topic = np.array([each.behaviour(labels) > 0 for each in read])
        whole = np.array([each.coherence == 1 for each in read])
        told = bootstrap_mean((topic & whole).astype(float))
        found[mode] = {"topic": float(topic.mean()), "whole": float(whole.mean())}
        found[mode] |= {"mean": told.estimate, "low": told.low, "high": told.high}
    return found


def fine_tuning(lm: LanguageModel, epochs: int, batch: int = 8) -> Any:
    """A copy of the model that learned the topic texts by heart, all of its weights."""
    hf = copy.deepcopy(lm.hf).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(hf.parameters(), lr=1e-4)
    texts = list(topic_texts("sea"))
    for _ in range(epochs):
        for start in range(0, len(texts), batch):
            tokens = lm.tokenize(texts[start : start + batch])
            labels = tokens.ids.masked_fill(~tokens.mask, -100)
            loss = hf(input_ids=tokens.ids, attention_mask=tokens.mask.long(), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return hf.requires_grad_(False).eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--rows", type=int, default=16, help="texts written at once")
    parser.add_argument("--epochs", type=int, default=10, help="of fine-tuning")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    lm, sae = load_model("world", device=a.device), load_sae(f"world/{AT}", device=a.device)
    device = lm.device
    found: dict[str, Any] = {"stages": stages(lm, sae, a.rounds)}
    few = max(3, a.rounds // 2)
    found["writing"] = {
        "one text at a time": writing(lm, sae, few, 1),
        f"{a.rows} texts at once": writing(lm, sae, few, a.rows),
    }
    align = repeated(device, few, lambda: align_topic(lm, sae, topic_texts("sea"), uncertainty=False))
    tune = repeated(device, few, lambda: fine_tuning(lm, a.epochs))
    found["whole"] = {"topic alignment": summary(align), "fine-tuning": summary(tune)}
    found["acceptability"] = acceptability(lm, sae, a.epochs)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {a.threads} threads"
    found["config"] = {"device": where, "epochs": a.epochs, "tokens": TOKENS, "latents": sae.cfg.d_sae}
    print(json.dumps(found, indent=1))
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
