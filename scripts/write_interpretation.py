"""Write docs/interpretation_world.md from docs/figures/interpretation.json.

    python scripts/write_interpretation.py

No figure is typed by hand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

import numpy as np
from scipy.stats import spearmanr
from write_figures import FOLDER, table, with_interval

from saesteer.statistics import auroc

RECORD: Final = FOLDER / "figures" / "interpretation.json"
READER: Final = 0.2
"""The oracle's error at which scorers are compared: no language model reads without any."""
Rows = list[dict[str, Any]]
KINDS: Final = ("true", "statistics", "random")
SAID: Final = slice(1, 2)
"""Of token statistics, among these."""


def values(rows: Rows, scorer: str, kind: str | None, error: float | None) -> np.ndarray:
    """One per latent; NaN where there is none."""
    found = []
    for row in rows:
        mine = [
            each["value"]
            for each in row["scores"]
            if each["scorer"] == scorer and each["kind"] == kind and each["error"] in (error, None)
        ]
        found.append(np.nan if not mine or mine[0] is None else float(mine[0]))
    return np.array(found)


def scorers(rows: Rows, explained: bool) -> list[str]:
    """Those that need an explanation, or those that need none."""
    names = dict.fromkeys(
        e["scorer"] for row in rows for e in row["scores"] if (e["kind"] is not None) == explained
    )
    return list(names)


def errors(rows: Rows) -> list[float]:
    return sorted({e["error"] for row in rows for e in row["scores"] if e["error"] is not None})


def asks(rows: Rows, scorer: str) -> bool:
    """Whether it asks a language model."""
    return any(e["error"] is not None for row in rows for e in row["scores"] if e["scorer"] == scorer)


def told(one: np.ndarray, other: np.ndarray) -> str:
    """AUROC of one kind of explanation over another, 95 % interval over latents."""
    kept = ~(np.isnan(one) | np.isnan(other))
    one, other = one[kept], other[kept]
    if len(one) < 2:
        return "-"
    draw, drawn = np.random.default_rng(0), []
    for picks in [np.arange(len(one)), *draw.integers(0, len(one), (500, len(one)))]:
        both = np.concatenate([one[picks], other[picks]])
        drawn.append(float(auroc(both, np.arange(2 * len(picks)) < len(picks))))
    low, high = np.quantile(drawn[1:], (0.025, 0.975))
    return f"{drawn[0]:.2f} [{low:.2f}, {high:.2f}]"


def naming(rows: Rows) -> list[str]:
    """Does what token statistics say name the concept?"""
    lines = []
    for name in [*dict.fromkeys(row["sae"] for row in rows), None]:
        here = [row for row in rows if name in (row["sae"], None)]
        said = [row for row in here if row["explanations"]["statistics"]]
        most = [most_named(row) == row["concept"] for row in here]
        any_ = [row["concept"] in (*row["named"], *row["owners"]) for row in here]
        cells = [name or "both", str(len(here)), f"{len(said) / len(here):.2f}"]
        lines.append(
            [*cells, with_interval([float(e) for e in most]), with_interval([float(e) for e in any_])]
        )
    head = ["SAE", "latents", "explained", "most of its words are the concept's", "any is"]
    return table(head, lines)


def most_named(row: dict[str, Any]) -> str | None:
    counted = Counter([*row["named"], *row["owners"]]).most_common(1)
    return counted[0][0] if counted else None


def ranking(rows: Rows) -> list[str]:
    head = [
        "scorer",
        "true over random",
        "token statistics over random",
        "mean of true",
        "of statistics",
        "of random",
    ]
    lines = []
    for name in scorers(rows, True):
        error = READER if asks(rows, name) else None
        true, said, other = of_each(rows, name, error).T
        means = [mean_of(each) for each in (true, said, other)]
        lines.append([name, told(true, other), told(said, other), *means])
    return table(head, lines)


def by_error(rows: Rows) -> list[str]:
    """AUROC of true over random, and the mean of true, at each error of the reader."""
    names = [name for name in scorers(rows, True) if asks(rows, name)]
    lines = []
    for error in errors(rows):
        cells = []
        for name in names:
            true, other = (values(rows, name, kind, error) for kind in ("true", "random"))
            cells.append(f"{mean_of(true)}; {told(true, other)}")
        alone = [mean_of(values(rows, n, None, error)) for n in scorers(rows, False) if asks(rows, n)]
        lines.append([f"{error:g}", *cells, *alone])
    return table(["error", *names, *(n for n in scorers(rows, False) if asks(rows, n))], lines)


def mean_of(found: np.ndarray) -> str:
    """Over the latents that have a value, with its interval."""
    return with_interval(found[~np.isnan(found)].tolist())


def agreement(rows: Rows) -> list[str]:
    """Spearman's correlation over latents and their three explanations."""
    names = scorers(rows, True)
    pooled = {name: of_each(rows, name, READER if asks(rows, name) else None) for name in names}
    perfect = of_each(rows, "detection", 0.0)
    lines = []
    for name in names:
        cells = ["1" if each == name else correlation(pooled[name], pooled[each]) for each in names]
        own = correlation(pooled[name][:, SAID], perfect[:, SAID])
        lines.append([name, *cells, correlation(pooled[name], perfect), own])
    head = ["", *names, "a reader without error", "the same among token statistics"]
    return table(head, lines)


def of_each(rows: Rows, scorer: str, error: float | None) -> np.ndarray:
    """[latents, kinds of explanations]"""
    return np.stack([values(rows, scorer, kind, error) for kind in KINDS], axis=1)


def correlation(one: np.ndarray, other: np.ndarray) -> str:
    """Spearman's, 95 % interval over latents, whose explanations are drawn together: [latents, kinds]."""
    draw, drawn = np.random.default_rng(0), [rank_correlation(one, other)]
    if drawn[0] is None:
        return "-"
    for picks in draw.integers(0, len(one), (500, len(one))):
        drawn.append(rank_correlation(one[picks], other[picks]))
    low, high = np.quantile([each for each in drawn[1:] if each is not None], (0.025, 0.975))
    return f"{drawn[0]:.2f} [{low:.2f}, {high:.2f}]"


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """None where there are too few, or where one says the same of all."""
    kept = ~(np.isnan(one) | np.isnan(other))
    if kept.sum() < 3 or np.ptp(one[kept]) == 0 or np.ptp(other[kept]) == 0:
        return None
    return float(spearmanr(one[kept], other[kept]).statistic)


ABOUT: Final = """\
{latents} latents of the world's two SAEs, read over {tokens:,} tokens of {stories:,} held-out stories.
Each is about one concept: {share:.0f} % of its activity or more is on sentences that express it. Its
true explanation is the concept's title in the lexicon, the random one another concept's, and the third
is what token statistics say. Whoever asks a language model asks the oracle, which understands the
explanation by the lexicon and the text by the grammar, and then errs at the given rate. Intervals are
95 %, over latents.
""".replace("\n", " ")


SHORT: Final = """\
**Which scores deserve trust?** With a reader who errs in {error:.0f} answers of 100, detection
({detection}), fuzzing ({fuzzing}) and simulation ({simulation}) rank a true explanation above a random
one, and so does the cosine of embeddings without any language model ({embedding}). They also order
explanations as the truth does, which here is detection by a reader who never errs (so detection is
nearest to it by construction): Spearman's correlation is {c_detection} for detection, {c_fuzzing} for
fuzzing, {c_embedding} for embedding, {c_simulation} for simulation. Fuzzing with wrong marks in active
windows ({fuzzing_active}) asks for the very tokens and hardly for the text: a name of the topic does
worse there than the words themselves.

**What depends on its reader.** Surprisal tells true titles ({surprisal}), since the world's model has
learned titles, and not the sentences of token statistics ({s_surprisal}), which it has never seen: the
score is of the reader as much as of the explanation. Intervention asks what a latent writes instead of
what it reads; on {steered} latents it does not tell a true explanation of what they read from a random
one ({intervention}).

**A value is the reader's, the order is the explanation's.** From no error to {error:.0f} in 100 the
mean of detection of the same true explanations falls from {perfect:.2f} to {erring:.2f}, while their
rank above random ones stays. Values by different language models cannot be compared; explanations by
one can.

**Token statistics** name the concept for {named} of the latents, without a language model.

Limits: {latents} latents, one of them at layers.4.attn, since few latents there are about one concept
alone; at an error of 0.5 half of the levels of simulation are right still, so it is not at chance
there; the oracle understands words and topics and nothing else.
"""


def in_short(rows: Rows) -> list[str]:
    """What the tables say."""
    found: dict[str, Any] = {}
    perfect = of_each(rows, "detection", 0.0)
    for name in scorers(rows, True):
        error = READER if asks(rows, name) else None
        true, said, other = of_each(rows, name, error).T
        found |= {name: told(true, other), f"s_{name}": told(said, other)}
        found[f"c_{name}"] = correlation(of_each(rows, name, error), perfect)
    means = [float(np.nanmean(values(rows, "detection", "true", error))) for error in (0.0, READER)]
    steered = int((~np.isnan(values(rows, "intervention", "true", None))).sum())
    most = with_interval([float(most_named(row) == row["concept"]) for row in rows])
    text = SHORT.format(
        **found, error=100 * READER, perfect=means[0], erring=means[1], steered=steered, named=most,
        latents=len(rows),
    )  # fmt: skip
    return [line for part in text.split("\n\n") for line in (*wrap(part, 110), "")]


def examples(rows: Rows, count: int = 12) -> list[str]:
    """Spread over the latents in their order."""
    picks = rows[:: max(1, len(rows) // count)][:count]
    return [
        f"- {row['sae']}/{row['latent']}, {row['concept']}: {row['explanations']['statistics']}"
        for row in picks
    ]


def page() -> str:
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    rows: Sequence[Any] = found["latents"]
    rows = list(rows)
    about = ABOUT.format(latents=len(rows), tokens=found["tokens"], stories=found["stories"], share=80)
    lines = [
        "# Explanations and scores on the embedded world", "",
        "Written by `python scripts/write_interpretation.py` from `docs/figures/interpretation.json`, which",
        "", f"    {found['command']}", "", "makes.", "", *wrap(about, 110), "",
        "## In short", "", *in_short(rows),
        "## Do token statistics name the concept?", "", *naming(rows), "", *examples(rows), "",
        "## Does a scorer rank the true explanation above a random one?", "",
        *wrap(f"AUROC over latents; a reader with an error of {READER:g}, where one is asked.", 110), "",
        *ranking(rows), "",
        "## What the reader's error does", "",
        "Mean of the true explanation; AUROC over the random one. The last needs no explanation.", "",
        *by_error(rows), "",
        "## Agreement", "",
        *wrap(
            "Spearman's correlation over latents and all three explanations; with detection by a reader who "
            "never errs, which is the truth here, also among the explanations of token statistics alone.", 110
        ), "",
        *agreement(rows), "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    (FOLDER / "interpretation_world.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
