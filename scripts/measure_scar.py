"""The SCAR experiment on the embedded world: what a conditioned latent tells, how alone it is, what it does.

    python scripts/measure_scar.py --work build/scar --json docs/figures/scar.json

Trains the SAEs first where they are not there yet (scar_saes.py). Latents, thresholds and trees are chosen on
stories from one seed and measured on stories from another; the grammar knows every sentence's concepts and
how bad its insults are.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from measure_world import lm_tokens, padded
from scar_saes import CHOICE_SEED, CONCEPTS, CONDITIONS, HOOKPOINTS, TEST_SEED, labels_of, saes, story
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_curve
from sklearn.preprocessing import StandardScaler

from saesteer.concepts.isolation import isolation
from saesteer.evaluation import first_divergence, perplexity
from saesteer.model import LanguageModel, load_model
from saesteer.saes import SAE
from saesteer.statistics import auroc
from saesteer.steering import Where, attach
from saesteer.world.reading import judge_text
from saesteer.world.story import tell
from saesteer.world.surface import join
from saesteer.world.texts import story_about
from saesteer.world.tokens import encode_sentences
from saesteer.world.words import TOPICS

ALPHAS: Final = (-100, -50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50, 100)
GRADES: Final = ("none", "teasing", "rude", "vicious")
TOXIC, DIVERGE = 32, 50  # tokens of a continuation that are judged, and those that are compared


@dataclass(frozen=True)
class Table:
    """Tokens of stories with their truth, and the sentences that they belong to."""

    activations: dict[str, torch.Tensor]
    truth: np.ndarray  # [tokens, concepts]
    starts: np.ndarray  # [sentences]: the place of each first token
    grades: np.ndarray  # [sentences]

    def pooled(self, scores: np.ndarray, pool: str) -> np.ndarray:
        """Per sentence, or per token."""
        if pool == "token":
            return scores
        if pool == "max":
            return np.maximum.reduceat(scores, self.starts, axis=0)
        counts = np.diff(np.r_[self.starts, len(scores)])
        return np.add.reduceat(scores, self.starts, axis=0) / counts.reshape(-1, *[1] * (scores.ndim - 1))

    def positive(self, concept: str, pool: str) -> np.ndarray:
        truth = self.truth[:, CONCEPTS.index(concept)] > 0
        return truth if pool == "token" else truth[self.starts]


def read(lm: LanguageModel, seed: int, stories: int) -> Table:
    parts: dict[str, list[torch.Tensor]] = {at: [] for at in HOOKPOINTS}
    truth, starts, grades, before = [], [], [], 0
    for number in range(stories):
        told = story(number, seed)
        ids, owner = encode_sentences(told.sentences)
        recorded = lm.record(lm_tokens(*padded([ids], 0)), at=list(HOOKPOINTS))
        for at in HOOKPOINTS:
            parts[at].append(recorded[at][0, 1:-1])
        truth.append(labels_of(told))
        owner = owner[1:-1]
        starts.append(before + np.flatnonzero(np.r_[True, np.diff(owner) > 0]))
        grades += [judge_text(join(each.words)).grade() for each in told.sentences]
        before += len(owner)
    found = {at: torch.cat(each) for at, each in parts.items()}
    return Table(found, np.concatenate(truth), np.concatenate(starts), np.array(grades))


@dataclass(frozen=True)
class Scores:
    """All latents of one SAE on the tokens of a table."""

    h: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, sae: SAE, x: torch.Tensor) -> Scores:
        with torch.no_grad():
            return cls(sae.encode(x).numpy(), sae.pre(x).numpy())


def detection(
    choice: Table, test: Table, one: Scores, other: Scores, concepts: tuple[str, ...]
) -> list[dict]:
    """Rows: a latent's AUROC and F1 on test, by score and pooling; `concepts`: those with a latent."""
    rows = []
    for concept in concepts or CONCEPTS:  # of the plain SAE the best latent for each
        own = concepts.index(concept) if concept in concepts else None
        for score in ("h", "z"):
            for pool in ("token", "max", "mean"):
                there, here = choice.positive(concept, pool), test.positive(concept, pool)
                before, after = (t.pooled(getattr(s, score), pool) for t, s in ((choice, one), (test, other)))
                some = slice(None, None, 4 if pool == "token" else 1)
                latent = int(np.argmax(auroc(before[some], there[some]))) if own is None else own
                row = {"concept": concept, "score": score, "pool": pool, "latent": latent}
                row |= {"conditioned": own is not None}
                row |= figures(before[:, latent], there, after[:, latent], here)
                if concept == "insults" and pool != "token":
                    row["spearman"] = float(spearmanr(after[:, latent], test.grades).statistic)
                    told, grades = after[here, latent], test.grades[here]
                    row["spearman_among"] = float(spearmanr(told, grades).statistic)
                rows.append(row)
    return rows


def figures(before: np.ndarray, there: np.ndarray, after: np.ndarray, here: np.ndarray) -> dict[str, float]:
    """AUROC, and F1 at the threshold that is best on the other stories."""
    precision, recall, thresholds = precision_recall_curve(there, before)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = thresholds[int(np.argmax(f1[:-1]))]
    return {
        "auroc": float(auroc(after[:, None], here)[0]),
        "f1": float(f1_score(here, after >= best)),
        "positive": int(here.sum()),
        "n": len(here),
    }


def probe(choice: Table, test: Table, at: str) -> list[dict]:
    """A logistic regression on all of the activation: what could be told at all."""
    rows = []
    for concept in CONCEPTS:
        for pool in ("token", "mean"):
            before, after = (t.pooled(t.activations[at].numpy(), pool) for t in (choice, test))
            scaler = StandardScaler().fit(before)
            there, here = choice.positive(concept, pool), test.positive(concept, pool)
            model = LogisticRegression(max_iter=300).fit(scaler.transform(before), there)
            told = [model.decision_function(scaler.transform(each)) for each in (before, after)]
            rows.append({"concept": concept, "pool": pool} | figures(told[0], there, told[1], here))
    return rows


def trees(choice: Table, test: Table, one: Scores, other: Scores, own: tuple[str, ...]) -> list[dict]:
    """A tree on mean-pooled latents of sentences, for each concept."""
    latents = np.concatenate([choice.pooled(one.h, "mean"), test.pooled(other.h, "mean")])
    rows = []
    for concept in CONCEPTS:
        halves = [table.positive(concept, "mean") for table in (choice, test)]
        held_out = np.arange(len(latents)) >= len(halves[0])
        found = isolation(sparse.csr_array(latents), np.concatenate(halves), held_out)
        conditioned = own.index(concept) if concept in own else None
        rows.append(
            {"concept": concept, "conditioned": conditioned is not None}
            | {"at_root": conditioned is not None and found.root == conditioned}
            | found.record()
        )
    return rows


def prompts(count: int) -> list[tuple[int, str]]:
    """(grade, prompt): an opening and one sentence that is as insulting as the grade says."""
    wanted = {grade: count for grade in range(len(GRADES))}
    found: list[tuple[int, str]] = []
    rng, seed = random.Random(0), TEST_SEED + 500_000
    while any(wanted.values()):
        seed += 1
        about = "insults" if rng.random() < 0.7 else rng.choice(TOPICS)
        first, second = story_about(about, seed).sentences[:2]
        text = join((*first.words, *second.words))
        grade = judge_text(text).grade()
        insults = "insults" in second.concepts
        if (grade > 0) == insults and wanted[grade]:
            wanted[grade] -= 1
            found.append((grade, text))
    return sorted(found, key=lambda each: each[0])


def sweep(
    lm: LanguageModel, work: Path, trained: dict[str, SAE], best: dict[str, int], count: int
) -> list[dict]:
    """Rows: SAE x mode x alpha x grade of the prompt; what 32 greedy tokens say, and where 50 diverge."""
    asked = prompts(count)
    held_out = [tell(TEST_SEED + 900_000 + i).text for i in range(100)]
    base = greedy(lm, asked)
    rows = [
        cell | {"mode": "base", "sae": "none", "alpha": None} for cell in judged(lm, asked, base, base, None)
    ]
    rows[0]["perplexity"] = perplexity(lm, held_out)
    for name, latent in best.items():
        sae = trained[name]
        for mode in ("splice", "keep_error"):
            with attach(lm, sae, keep_error=mode == "keep_error", where=Where()) as hook:
                hook.mod_features = latent
                made, losses = {}, {}
                for alpha in (1, *ALPHAS):
                    if alpha not in made:
                        hook.mod_scaling = float(alpha)
                        made[alpha] = greedy(lm, asked)
                        losses[alpha] = perplexity(lm, held_out)
            for alpha in ALPHAS:
                cells = judged(lm, asked, made[alpha], base, made[1])
                cells[0]["perplexity"] = losses[alpha]
                about = {"mode": mode, "sae": name, "alpha": alpha}
                rows += [cell | about for cell in cells]
            print(name, mode, "done", flush=True)
    (work / "texts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in texts(asked, base)))
    return rows


def greedy(lm: LanguageModel, asked: list[tuple[int, str]]) -> list:
    return list(lm.generate([text for _, text in asked], max_new_tokens=DIVERGE, temperature=0.0).rows)


def texts(asked: list[tuple[int, str]], base: list) -> Iterator[dict]:
    for (grade, prompt), row in zip(asked, base, strict=True):
        yield {"grade": grade, "prompt": prompt, "base": row.text}


def judged(
    lm: LanguageModel, asked: list[tuple[int, str]], made: list, base: list, one: list | None
) -> list[dict]:
    """A row for each grade of the prompt."""
    short = [lm.tokenizer.decode(row.ids[:TOXIC], skip_special_tokens=True).strip() for row in made]
    verdicts = [judge_text(each) for each in short]
    cells = []
    for grade, name in enumerate(GRADES):
        here = [i for i, (each, _) in enumerate(asked) if each == grade]
        cell = {
            "grade": name,
            "prompts": len(here),
            "insulting": np.mean([verdicts[i].behaviour(["insults"]) for i in here]),
            "lenient": np.mean([verdicts[i].lenient(["insults"]) for i in here]),
            "worst": np.mean([verdicts[i].grade() for i in here]),
            "coherence": np.mean([verdicts[i].coherence for i in here]),
            "diverges_from_base": diverges(made, base, here),
        }
        if one is not None:
            cell["diverges_from_splice"] = diverges(made, one, here)
        cells.append({key: float(v) if isinstance(v, np.floating) else v for key, v in cell.items()})
    return cells


def diverges(made: list, other: list, here: list[int]) -> float:
    """Mean First Divergence Token; where 50 tokens are equal, it counts as 50."""
    places = [first_divergence(made[i].ids[:DIVERGE], other[i].ids[:DIVERGE]) for i in here]
    return float(np.mean([DIVERGE if each is None else each for each in places]))


def measure(work: Path, stories: int, count: int) -> dict:
    lm = load_model("world")
    trained = saes(work)
    choice, test = read(lm, CHOICE_SEED, stories), read(lm, TEST_SEED, stories)
    found: dict = {"detection": [], "isolation": [], "probe": [], "saes": {}}
    best: dict[str, int] = {}
    for at in HOOKPOINTS:
        found["probe"] += [{"at": at} | row for row in probe(choice, test, at)]
        for name, concepts in CONDITIONS.items():
            sae = trained[f"{at}.{name}"]
            one, other = (Scores.of(sae, table.activations[at]) for table in (choice, test))
            rows = detection(choice, test, one, other, concepts)
            found["detection"] += [{"at": at, "sae": name} | row for row in rows]
            tree = trees(choice, test, one, other, concepts)
            found["isolation"] += [{"at": at, "sae": name} | row for row in tree]
            found["saes"][f"{at}.{name}"] = quality(sae, test.activations[at], other)
            if name in ("plain", "insults"):
                chosen = next(
                    r for r in rows if (r["concept"], r["score"], r["pool"]) == ("insults", "h", "mean")
                )
                best[f"{at}.{name}"] = chosen["latent"]
            print(at, name, "read", flush=True)
    found["sweep"] = sweep(lm, work, trained, best, count)
    found["stories"], found["latents"] = stories, best
    return found


def quality(sae: SAE, x: torch.Tensor, scores: Scores) -> dict[str, float]:
    with torch.no_grad():
        error = sae.forward(x) - x
    fvu = error.square().sum() / (x - x.mean(0)).square().sum()
    active = scores.h != 0
    return {"fvu": float(fvu), "l0": float(active.sum(1).mean()), "dead": float(1 - active.any(0).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/scar"))
    parser.add_argument("--stories", type=int, default=600)
    parser.add_argument("--prompts", type=int, default=40, help="of each grade")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    found = measure(a.work, a.stories, a.prompts)
    if a.json:
        a.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
