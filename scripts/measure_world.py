"""Measure the embedded world: how good its model and its SAEs are, against what can be known.

    python scripts/measure_world.py [--stories 200] [--json docs/figures/world.json]

Prints one figure a line. Everything is judged by the grammar; the ceilings are exact.
"""

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import world_saes

from saesteer.latents import ActivationSource
from saesteer.model import LanguageModel, load_model
from saesteer.saes import SAE, load_sae
from saesteer.statistics import auroc
from saesteer.training import train_sae
from saesteer.world.bayes import token_posteriors
from saesteer.world.continuity import slips
from saesteer.world.reading import judge_text
from saesteer.world.story import Story, tell
from saesteer.world.tokens import encode_sentences, token_labels
from saesteer.world.words import CONCEPTS, lexicon

SEED = 45_000_000  # of stories that had no say in training, nor in choosing the SAEs
HOOKPOINTS = ("layers.3", "layers.4.attn")


def held_out(count: int, first: int = SEED) -> list[Story]:
    return [tell(first + i) for i in range(count)]


def language_model(lm: LanguageModel, count: int) -> dict[str, float]:
    """Cross-entropy beside the true entropy of the same stories, in nats per token (EOS counted)."""
    nll, logp, tokens = 0.0, 0.0, 0
    stories = held_out(count)
    for start in range(0, count, 64):
        batch = stories[start : start + 64]
        rows = [encode_sentences(s.sentences)[0] for s in batch]
        ids, mask = padded(rows, lm.tokenizer.pad_token_id)
        nll += lm.nll(lm_tokens(ids, mask)).double().sum().item()
        logp += sum(s.logp for s in batch)
        tokens += sum(len(r) - 1 for r in rows)
    return {
        "cross_entropy": nll / tokens,
        "entropy": -logp / tokens,
        "gap": (nll + logp) / tokens,
        "tokens": tokens,
    }


def padded(rows: list[np.ndarray], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.full((len(rows), max(map(len, rows))), pad)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = True
    return ids, mask


def lm_tokens(ids: torch.Tensor, mask: torch.Tensor):
    from saesteer.model import Tokens

    return Tokens(ids, mask)


def samples(lm: LanguageModel, count: int) -> dict[str, float]:
    """Stories sampled from nothing at temperature 1: well-formed sentences, consistent names, pronouns, towns
    and times.
    """
    rows = lm.generate([""], n=count, max_new_tokens=260, temperature=1.0, seed=0).rows
    sentences = formed = consistent = persons = 0
    wrong: dict[str, int] = {}
    for row in rows:
        verdict = judge_text(row.text.strip())
        sentences += len(verdict.sentences)
        formed += sum(v.well_formed for v in verdict.sentences)
        found = slips([v.reading for v in verdict.sentences])
        consistent += not found
        persons += not {"name", "pronoun"} & set(found)
        for what in set(found):
            wrong[what] = wrong.get(what, 0) + 1
    return {
        "stories": count,
        "sentences": sentences,
        "well_formed": formed / sentences,
        "consistent_names_and_pronouns": persons / count,
        "consistent_stories": consistent / count,
        **{f"stories_with_{k}_slips": v / count for k, v in sorted(wrong.items())},
    }


def word_spotting(count: int = 3000) -> dict[str, dict[str, float]]:
    """How well words alone tell that a sentence expresses a concept (AUROC): the single best word, chosen on
    one half of the stories and measured on the other, and any word of the concept's own.
    """
    sentences = [
        s for story in held_out(count, SEED + 500_000) for s in story.sentences if s.reading.part != "title"
    ]
    half = len(sentences) // 2
    found: dict[str, dict[str, float]] = {"best_word": {}, "any_word": {}}
    for concept in CONCEPTS:
        truth = np.array([concept in s.concepts for s in sentences])
        columns = np.array([[w in s.words for w in lexicon()[concept].words] for s in sentences], dtype=float)
        top = int(np.argmax(auroc(columns[:half], truth[:half])))
        found["best_word"][concept] = float(auroc(columns[half:, top], truth[half:]))
        found["any_word"][concept] = float(auroc(columns.max(1)[half:], truth[half:]))
    return found


class TokenTable:
    """Tokens of held-out stories with truth, ceiling and activations; BOS and EOS left out."""

    def __init__(self, lm: LanguageModel, stories: list[Story], at: list[str], ceiling: bool):
        self.truth: np.ndarray
        truth, sentence, story_of, posterior, full_stop = [], [], [], [], []
        activations: dict[str, list[torch.Tensor]] = {h: [] for h in at}
        offset = 0
        for s_index, story in enumerate(stories):
            ids, owner = encode_sentences(story.sentences)
            keep = owner >= 0
            row, mask = padded([ids], 0)
            recorded = lm.record(lm_tokens(row, mask), at=at)
            for hookpoint in at:
                activations[hookpoint].append(recorded[hookpoint][0][torch.from_numpy(keep)])
            truth.append(token_labels(story.sentences)[keep])
            sentence.append(owner[keep] + offset)
            story_of.append(np.full(keep.sum(), s_index))
            full_stop.append(np.r_[np.diff(owner[keep]) > 0, True])
            offset += len(story.sentences)
            if ceiling:
                posterior.append(np.concatenate(token_posteriors(story)))
        self.truth, self.sentence = np.concatenate(truth), np.concatenate(sentence)
        self.story, self.full_stop = np.concatenate(story_of), np.concatenate(full_stop)
        self.activations = {h: torch.cat(parts) for h, parts in activations.items()}
        self.posterior = np.concatenate(posterior) if ceiling else None


def latents_of(sae: SAE, x: torch.Tensor) -> np.ndarray:
    return torch.cat([sae.encode(part) for part in x.split(4096)]).detach().numpy()


def best_latent(
    train: np.ndarray, truth: np.ndarray, test: np.ndarray, test_truth: np.ndarray
) -> tuple[list[int], np.ndarray]:
    """The best latent of each concept on one half; its AUROC on the other."""
    chosen = [int(np.argmax(auroc(train, truth[:, c]))) for c in range(truth.shape[1])]
    return chosen, np.array([float(auroc(test[:, f], test_truth[:, c])) for c, f in enumerate(chosen)])


def ridge(x: np.ndarray, y: np.ndarray, test: np.ndarray, penalty: float = 10.0) -> np.ndarray:
    """Scores of a linear probe (ridge, one column a concept)."""
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x, test = (x - mean) / scale, (test - mean) / scale
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    return test @ weights


def columns(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.array([float(auroc(scores[:, c], truth[:, c])) for c in range(truth.shape[1])])


def by_sentence(scores: np.ndarray, table: TokenTable) -> np.ndarray:
    result = np.full((table.sentence.max() + 1, scores.shape[1]), -np.inf)
    np.maximum.at(result, table.sentence, scores)
    return result


def sae_figures(sae: SAE, at: str, train: TokenTable, test: TokenTable) -> dict[str, object]:
    """Token and sentence AUROC of the best latent, beside the probe."""
    z_train, z_test = latents_of(sae, train.activations[at]), latents_of(sae, test.activations[at])
    chosen, token = best_latent(z_train, train.truth, z_test, test.truth)
    first = {i: j for j, i in reversed(list(enumerate(train.sentence)))}
    first_test = {i: j for j, i in reversed(list(enumerate(test.sentence)))}
    s_truth = train.truth[[first[i] for i in sorted(first)]]
    s_test = test.truth[[first_test[i] for i in sorted(first_test)]]
    s_chosen, sentence = best_latent(by_sentence(z_train, train), s_truth, by_sentence(z_test, test), s_test)
    stop = test.full_stop
    return {
        "token_auroc": dict(zip(CONCEPTS, token.round(3).tolist(), strict=True)),
        "token_concepts_at_0.8": int((token >= 0.8).sum()),
        "full_stop_auroc_median": float(
            np.median([auroc(z_test[stop, f], test.truth[stop, c]) for c, f in enumerate(chosen)])
        ),
        "sentence_auroc": dict(zip(CONCEPTS, sentence.round(3).tolist(), strict=True)),
        "sentence_concepts_at_0.95": int((sentence >= 0.95).sum()),
        "token_latents": chosen,
        "sentence_latents": s_chosen,
    }


def random_weights(
    lm: LanguageModel, at: str, sae: SAE, stories: int, tokens: int = 500_000
) -> dict[str, object]:
    """The same probe and a like SAE on a model of the same shape whose weights were never trained."""
    torch.manual_seed(1)
    control = LanguageModel(type(lm.hf)(lm.hf.config), lm.tokenizer, "random")
    train = TokenTable(control, held_out(3 * stories, SEED + 100_000), [at], ceiling=False)
    test = TokenTable(control, held_out(stories, SEED + 200_000), [at], ceiling=False)
    source = ActivationSource(
        control, world_saes.story_texts(world_saes.TRAIN_SEED), at, batch_tokens=2048, seed=0
    )
    config = replace(world_saes.CONFIGS[at], tokens=tokens)
    other = train_sae(source, config).sae
    _, latent = best_latent(
        latents_of(other, train.activations[at]),
        train.truth,
        latents_of(other, test.activations[at]),
        test.truth,
    )
    probe = ridge(train.activations[at].numpy(), train.truth.astype(float), test.activations[at].numpy())
    return {
        "random_latent_auroc": dict(zip(CONCEPTS, latent.round(3).tolist(), strict=True)),
        "random_probe_auroc": dict(zip(CONCEPTS, columns(probe, test.truth).round(3).tolist(), strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--stories", type=int, default=200, help="held-out stories for the token-level figures"
    )
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    random.seed(0)
    lm = load_model("world")
    figures: dict[str, object] = {"language_model": language_model(lm, 1000)}
    print(json.dumps(figures, indent=1), flush=True)
    figures["samples"] = samples(lm, 1000)
    figures["word_spotting"] = word_spotting()
    print(json.dumps(figures, indent=1), flush=True)
    train = TokenTable(lm, held_out(3 * args.stories, SEED + 100_000), list(HOOKPOINTS), ceiling=False)
    test = TokenTable(lm, held_out(args.stories, SEED + 200_000), list(HOOKPOINTS), ceiling=True)
    assert test.posterior is not None
    figures["bayes_ceiling"] = dict(
        zip(CONCEPTS, columns(test.posterior, test.truth).round(3).tolist(), strict=True)
    )
    for at in HOOKPOINTS:
        sae = load_sae(f"world/{at}")
        found = sae_figures(sae, at, train, test)
        probe = ridge(train.activations[at].numpy(), train.truth.astype(float), test.activations[at].numpy())
        found["probe_token_auroc"] = dict(
            zip(CONCEPTS, columns(probe, test.truth).round(3).tolist(), strict=True)
        )
        found["quality"] = world_saes.quality(lm, sae, at)
        found |= random_weights(lm, at, sae, args.stories)
        figures[at] = found
        print(at, json.dumps(found, indent=1), flush=True)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
