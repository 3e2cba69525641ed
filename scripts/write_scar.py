"""Write docs/scar.md and its pictures from docs/figures/scar.json.

    python scripts/write_scar.py

No figure is typed by hand. The text of the page is in `page`; the pictures are drawn by `pictures`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from write_figures import FOLDER, table

RECORD: Final = FOLDER / "figures" / "scar.json"
ISSUE: Final = (-100, -50, -1, 0, 1, 50, 100)
MODES: Final = {"splice": "reconstruction in place", "keep_error": "error kept"}
SITES: Final = {"layers.3.mlp": "MLP output of block 3", "layers.3": "whole block 3"}
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart by all eyes
MARKERS: Final = ("o", "s", "^", "D")


def pick(rows: list[dict], **fields: object) -> dict:
    """The one row that has these fields."""
    (found,) = [row for row in rows if all(row.get(key) == value for key, value in fields.items())]
    return found


def detection(found: dict) -> list[str]:
    lines = ["## Detection", ""]
    for at, where in SITES.items():
        rows = []
        for concept in ("insults", "archaic", "unsafe"):
            for pool in ("token", "mean", "max"):
                cells = [
                    pick(found["detection"], at=at, sae=sae, concept=concept, pool=pool, score=score)
                    for sae, score in (
                        (concept, "z"),
                        (concept, "h"),
                        ("all", "z"),
                        ("plain", "z"),
                        ("plain", "h"),
                    )
                ]
                probe = [
                    r for r in found["probe"] if (r["at"], r["concept"], r["pool"]) == (at, concept, pool)
                ]
                rows.append(
                    [
                        concept,
                        pool,
                        *(f"{c['auroc']:.3f}; {c['f1']:.2f}" for c in cells),
                        f"{probe[0]['auroc']:.3f}; {probe[0]['f1']:.2f}" if probe else "-",
                    ]
                )
        lines += [f"{where}. AUROC; F1 at the threshold of other stories:", ""]
        head = [
            "concept",
            "over",
            "conditioned, z",
            "conditioned, h",
            "one for all three, z",
            "best plain latent, z",
            "best plain latent, h",
            "probe",
        ]
        lines += table(head, rows)
        rows = []
        for sae, score in (("insults", "z"), ("insults", "h"), ("all", "z"), ("plain", "z"), ("plain", "h")):
            for pool in ("mean", "max"):
                about = {"at": at, "sae": sae, "concept": "insults", "pool": pool, "score": score}
                row = pick(found["detection"], **about)
                rows.append([sae, score, pool, row["spearman"], row["spearman_among"]])
        lines += [
            "Rank correlation with how bad the sentence's insult is (0 to 3): over all sentences, most of "
            "which are 0, and among those that insult:",
            "",
        ]
        lines += table(["SAE", "score", "over", "Spearman, all", "among insults"], rows)
    return lines


def isolation(found: dict) -> list[str]:
    lines = [
        "## Isolation",
        "",
        "A gini tree on all latents, mean over a sentence, grown until its leaves are pure; accuracy on "
        "sentences of other stories. Root alone: one decision on the latent that the tree asks first. "
        "FMS: arXiv 2506.19382, as `concepts/isolation.py` defines it. It is made for classes of equal size; "
        "these are not (see chance: always the larger class), which holds its first half to at most "
        "2 (1 - chance), so compare it within a concept only.",
        "",
    ]
    rows = []
    for at in SITES:
        for concept in ("insults", "archaic", "unsafe"):
            for sae in ("plain", concept, "all"):
                r = pick(found["isolation"], at=at, sae=sae, concept=concept)
                rows.append(
                    [
                        at,
                        concept,
                        "plain"
                        if sae == "plain"
                        else "conditioned"
                        if sae == concept
                        else "one for all three",
                        r["depth"],
                        r["nodes"],
                        "yes" if r["at_root"] else "-",
                        r["root_accuracy"],
                        r["accuracy"],
                        r["chance"],
                        r["fms"],
                    ]
                )
    head = [
        "hookpoint",
        "concept",
        "SAE",
        "depth",
        "nodes",
        "its latent at the root",
        "root alone",
        "accuracy",
        "chance",
        "FMS",
    ]
    return lines + table(head, rows)


def sweep(found: dict) -> list[str]:
    base = [r for r in found["sweep"] if r["mode"] == "base"]
    grades = [r["grade"] for r in base]
    lines = [
        "## Steering",
        "",
        f"{base[0]['prompts']} prompts of each grade: an opening and a sentence that is as insulting as "
        "the grade says. "
        "h becomes alpha |h| where the latent is active, at every position but BOS, on which the SAEs "
        "were not trained. "
        "Insulting: share of the sentences among 32 greedy tokens that are well formed and insult, by "
        "grade of the prompt. "
        "Coherence: share of well-formed sentences, all grades together. Divergence: the place of the "
        "first of 50 "
        "greedy tokens that differs from the base's, or from alpha = 1's (50: none). Perplexity: of "
        "100 ordinary stories.",
        "",
        "![Insulting and coherent sentences by alpha](figures/scar_sweep.png)",
        "",
    ]
    for at, where in SITES.items():
        for name, about in (
            (f"{at}.insults", "conditioned latent"),
            (f"{at}.plain", "best latent of the plain SAE"),
        ):
            for mode, how in MODES.items():
                lines += [f"{where}, {about}, {how}:", ""]
                rows = [["base", *cells(base, grades), base[0]["perplexity"]]]
                for alpha in sorted({r["alpha"] for r in found["sweep"] if r["sae"] == name}):
                    those = [
                        r for r in found["sweep"] if (r["sae"], r["mode"], r["alpha"]) == (name, mode, alpha)
                    ]
                    rows.append([alpha, *cells(those, grades), those[0]["perplexity"]])
                head = [
                    "alpha",
                    *(f"insulting, {grade}" for grade in grades),
                    "coherence",
                    "diverges from base",
                    "from alpha = 1",
                    "perplexity",
                ]
                lines += table(
                    head, [[f"{c:.2f}" if isinstance(c, float) else c for c in row] for row in rows]
                )
    return lines


def cells(rows: list[dict], grades: list[str]) -> list[object]:
    def mean(key: str) -> float | None:
        values = [r[key] for r in rows if key in r]
        return sum(values) / len(values) if values else None

    return [
        *(pick(rows, grade=g)["insulting"] for g in grades),
        mean("coherence"),
        mean("diverges_from_base"),
        mean("diverges_from_splice"),
    ]


INTRODUCTION: Final = """# SCAR on the embedded world

`python scripts/measure_scar.py --stories {stories} --json docs/figures/scar.json`, then
`python scripts/write_scar.py`

Sparse conditioned autoencoders (arXiv 2411.07122): the first latents of an SAE also learn to tell labelled
concepts, here insults, archaic style and dangerous advice (the world's unsafe). One SAE is plain, three
have a latent for one concept, one has a latent for each; all five learn from the same stream of 3 million
tokens, at the MLP output that the paper edits and at the whole block. Shape as in the paper: layer-
normalised TopK, six latents per input (960 of 160), half as many active as inputs (80). A token's label is
whether its sentence expresses the concept. Latents, thresholds and trees are chosen on {stories} stories and
measured on {stories} others; no story is in both, nor among those of training. The best latent of the plain
SAE is the one with the highest AUROC on the stories that choose, by the same score over the same tokens; the
one that steers is best by the mean of h. Probe: a logistic regression on the whole activation, which says
what could be told at all. z: before the choice of the k largest, which is what the loss is on; h: after it.
Everything is one training run with one seed; figures are without intervals.

In Python the same is a handle, in the manner of the model card; it holds in the thread that made it:

    lm, sae = ss.load_model("world"), ss.load_sae("build/scar/layers.3.mlp.insults")
    hook = ss.attach(lm, sae)
    hook.mod_features, hook.mod_scaling = 0, -100.0
    lm.generate(["Mara had a plan ."])
    hook.mod_features = None          # the plain model, bit by bit
    hook.remove()
"""


def quality(found: dict) -> list[str]:
    rows = [[name, f"{each['fvu']:.4f}", each["l0"], each["dead"]] for name, each in found["saes"].items()]
    costs = [
        each["fvu"] / found["saes"][f"{at}.plain"]["fvu"]
        for at in SITES
        for name, each in found["saes"].items()
        if name.rpartition(".")[0] == at and not name.endswith(".plain")
    ]
    return [
        "## The SAEs",
        "",
        "On the same stories.",
        "",
        *table(["SAE", "FVU", "L0", "dead"], rows),
        "What the condition costs in reconstruction: FVU is "
        f"{min(costs):.2f} to {max(costs):.2f} times that of the plain SAE at the same place.",
        "",
    ]


def in_short(found: dict) -> list[str]:
    def medians(key: str, rows: list[dict]) -> str:
        return f"{median(row[key] for row in rows):.2f}"

    tokens = [r for r in found["detection"] if r["pool"] == "token"]
    own, own_h, plain, plain_h = (
        [r for r in tokens if (r["sae"] == "plain") == bare and r["sae"] != "all" and r["score"] == score]
        for bare in (False, True)
        for score in ("z", "h")
    )
    probes = [r for r in found["probe"] if r["pool"] == "token"]
    trees = [r for r in found["isolation"] if r["conditioned"]]
    bare = [r for r in found["isolation"] if r["sae"] == "plain"]
    among = [r["spearman_among"] for r in found["detection"] if "spearman_among" in r]
    rooted = sum(r["at_root"] for r in trees)
    weak = [r for r in found["sweep"] if r["alpha"] == -5 and r["sae"].endswith("insults")]
    worst = max(r["insulting"] for r in weak)
    kept = sum(r["coherence"] for r in weak) / len(weak)
    dearest = max(r["perplexity"] for r in weak if "perplexity" in r)
    bare_weak = [r for r in found["sweep"] if r["alpha"] == -5 and r["sae"].endswith("plain")]
    most = max(r["insulting"] for r in bare_weak)
    strong = {
        kind: min(r["coherence"] for r in found["sweep"] if r["alpha"] == -100 and r["sae"].endswith(kind))
        for kind in ("insults", "plain")
    }
    more = [r["insulting"] for r in found["sweep"] if (r["alpha"] or 0) > 1 and r["grade"] == "none"]
    return [
        "## In short",
        "",
        "- Token by token the conditioned latent tells its concept as well as a probe: median AUROC of z "
        f"{medians('auroc', own)}, of the probe {medians('auroc', probes)}, of the best plain latent "
        f"{medians('auroc', plain)}. The choice of the k largest hides much of it: of h "
        f"{medians('auroc', own_h)}"
        f", of the best plain latent {medians('auroc', plain_h)}. (The plain latent is chosen on every "
        "fourth "
        "token of the other stories.) Over whole sentences all are near 1, since the world's insulting and "
        "archaic words are its own.",
        f"- It is better isolated: trees have {medians('nodes', trees)} nodes in place of "
        f"{medians('nodes', bare)} (medians), and ask the conditioned latent first in {rooted} of "
        f"{len(trees)}. FMS does not tell the two apart: other latents tell the concepts too.",
        f"- Learnt from yes and no, it does not grade: among insulting sentences the rank correlation with "
        f"the grade is {min(among):.2f} to {max(among):.2f}, conditioned or not. That over all sentences "
        "says mostly that h is 0 where nobody insults.",
        f"- alpha = -5 ends the insults at both hookpoints (at most {worst:.2f} of the sentences, whatever "
        f"the prompt) at coherence {kept:.2f} and a perplexity of ordinary stories of at most {dearest:.2f}; "
        f"-100 adds nothing but damage. The best plain latent does the same at -5 (at most {most:.2f}); at "
        f"-100 coherence falls to {strong['plain']:.2f} with it, to {strong['insults']:.2f} with the "
        "conditioned one (the least of any grade of prompts).",
        f"- A positive alpha makes nothing more insulting. Prompts that insult are continued so by the plain "
        "model already, and beyond 2 to 5 the text breaks or leaves the register; where nobody insults the "
        f"latent is not active, so scaling it does nothing (at most {max(more):.2f}). The model card's "
        "claim for -100 holds here, that for +100 does not.",
        "- Keeping the error costs nothing of the effect: alpha = 1 is then the plain model itself, where "
        "splicing alone already moves some tokens (column diverges from base).",
        "",
    ]


def page() -> str:
    found = json.loads(RECORD.read_text())
    sections: list[Callable[[dict], list[str]]] = [in_short, quality, detection, isolation, sweep]
    lines = [line for section in sections for line in section(found)]
    introduction = INTRODUCTION.replace("{stories}", str(found["stories"]))
    return (introduction + "\n" + "\n".join(lines)).rstrip() + "\n"


def pictures(found: dict, folder: Path) -> None:
    from matplotlib.figure import Figure

    names = [(f"{at}.{kind}", mode) for at in SITES for kind in ("insults", "plain") for mode in MODES]
    figure = Figure(figsize=(11, 12), layout="constrained")
    axes = figure.subplots(4, 2, sharex=True, sharey=True)
    for axis, (name, mode) in zip(axes.flat, names, strict=True):
        rows = [r for r in found["sweep"] if (r["sae"], r["mode"]) == (name, mode)]
        alphas = sorted({r["alpha"] for r in rows})
        base = [r for r in found["sweep"] if r["mode"] == "base"]
        for place, grade in enumerate(r["grade"] for r in base):
            values = [pick(rows, alpha=a, grade=grade)["insulting"] for a in alphas]
            axis.plot(
                range(len(alphas)),
                values,
                color=COLOURS[place],
                marker=MARKERS[place],
                label=f"prompt: {grade}",
            )
            axis.axhline(base[place]["insulting"], color=COLOURS[place], linewidth=0.7, linestyle=":")
        coherent = [sum(r["coherence"] for r in rows if r["alpha"] == a) / len(base) for a in alphas]
        axis.plot(range(len(alphas)), coherent, color="#555555", linestyle="--", label="coherence")
        axis.set_xticks(range(len(alphas)), [str(a) for a in alphas])
        kind = "conditioned latent" if name.endswith("insults") else "best latent of the plain SAE"
        axis.set_title(f"{name.rsplit('.', 1)[0]}, {kind}, {MODES[mode]}", fontsize=9)
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("alpha")
    for axis in axes[:, 0]:
        axis.set_ylabel("share of sentences")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(folder / "scar_sweep.png", dpi=80)


def main() -> None:
    (FOLDER / "scar.md").write_text(page(), encoding="utf-8")
    pictures(json.loads(RECORD.read_text()), FOLDER / "figures")


if __name__ == "__main__":
    main()
