"""Write docs/methods_compared.md and its picture from docs/figures/methods.json (scripts/compare_methods.py).

    python scripts/write_methods.py

No figure is typed by hand: the text of the page is in `page`, the picture is drawn by `picture`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import numpy as np
from write_figures import FOLDER, table, with_interval

from saesteer.statistics import bootstrap_mean, holm, sign_flip_test

RECORD: Final = FOLDER / "figures" / "methods.json"
PICTURE: Final = FOLDER / "figures" / "methods_pareto.png"
ABOUT: Final = """\
makes: {concepts} concepts of the embedded world, judged by its exact oracle. Each of the {methods}
methods has eight settings (strengths, prefixes, shares of the way to tuned weights; a search finds
its own); one is chosen on half of the prompts and measured on the other half with other samples.
Behaviour: share of sentences that are well formed and have the concept. Coherence: share that are
well formed. KL and nats: per token of ordinary text, teacher forced, steered against plain.
Perplexity: of what was written, under the plain model (geometric means). Other concepts: share of
sentences that have another concept than the one asked for (of the plain model: what ordinary
stories have). Figures are means over concepts; intervals are 95 %, drawn over concepts. Seconds to
make: of one processor core, once for each concept, without the choice of the strength; what methods
share is counted with the first of them.
""".replace("\n", " ")
SHORT: Final = """\
**Is SAE-TS first?** No. Its product is {sae_ts:.2f}, without the bias term {no_bias:.2f}; the plain
decoder row of the same latent has {decoder:.2f}, the difference of means {diffmean:.2f}, a random
direction {random:.2f}. At an equal behaviour of 0.2 its KL, without the bias term, is {ts_decoder:.2f}
times that of the decoder row (on the concepts that reach it with both: {ts_decoder_n}), and
{ts_diffmean:.2f} times that of the difference of means ({ts_diffmean_n}), which needs no thousands of
measured vectors. docs/effects_world.md measures what its vectors do.

**Prompting and fine-tuning.** Prompting reaches {prompting:.2f}, fine-tuning {tuned:.2f}, LoRA
{lora:.2f}. Of what is added at every token, always, the best, a direction trained by language
modelling, reaches {early:.2f} at layers.2 and {trained:.2f} at layers.3.

**Does anything equal prompting at the same coherence?** Of what edits activations the openings come
nearest, as near as LoRA. A trained direction, added at the first five tokens of the prompt alone,
reaches {opening:.2f}; the difference to prompting is {gap}. Trained for that place it reaches
{placed:.2f} ({placed_gap}) at a KL to the plain model of {placed_kl:.2f}, where the moved one needs
{opening_kl:.2f}; the difference of means there {opening_diffmean:.2f}.

**The two open doors.** Closed loop: the trained direction that is added until a probe finds the concept
reaches {until:.2f}, with its strength controlled by the probe {controlled:.2f}, against {trained:.2f}
everywhere and always: {until_share:.0f} % and {controlled_share:.0f} % of the way to prompting. Search
with a judge: of 200 candidates of latents {search:.2f}, of 72 openings (two directions, three
hookpoints, three ends, four strengths) {searched:.2f} ({searched_gap}).

Why, as far as the curves tell: added everywhere, a direction is in the way of the very token that is
being written, so behaviour is bought with grammar (the bent paths of the picture), and what it says is
said anew at each place instead of being carried on. A prompt does neither: it stands in the context,
and the model reads it and carries on by itself. So does a direction at the opening: nothing that is
written is edited, the blocks after it read the concept at those places, and the strength can grow until
the reading is full, while coherence stays that of the plain model. The closed loop takes back a part of
the damage for the same reason: once the concept is in the text, the model is left alone. An opening
must be early enough in the model to be read: the search of openings took {places}. What is still
missing to the prompt is precision: {off:.2f} of the sentences have another concept, {off_prompting:.2f}
under a prompt.

Place and depth: openings act at layers.2 (in the search at layers.1 to 3), all else but "trained, early" at
layers.3. Of the {both:.2f} between a trained direction at every token of layers.3 and the best one at the
opening, {depth:.2f} are gained by the depth alone ({depth_gap}), the other {place:.2f} by the place.

Limits: one small model of one world, whose stories keep their topic by themselves;
the prompt is the same kind of opening for all texts. The searches tried 200 and 72 settings where the
others have eight, and a closed loop has a probe beside its direction. The settings of clamping by topic
begin where it is too strong already, those by each latent's own level do not; topic alignment has its
own page, docs/topic_alignment.md. A conditioned latent (SCAR) is not among these methods, since it takes
training of its own and takes a concept out: docs/scar.md.
"""
PATHS: Final = """\
The path of each method over its strengths, on the prompts that chose them, mean over concepts. The red
star is the best prefix there, and the points of the searches their winners: chosen and shown on the same
texts, so a little too good; the tables are not.
""".replace("\n", " ")
GOALS: Final = {
    "product": "the highest product of mean behaviour and mean coherence",
    "coherent": "the most behaviour at a coherence of 0.8 or more",
}
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "directions at every token": (
        "random",
        "diffmean",
        "caa",
        "pca",
        "probe",
        "trained, lm",
        "trained, early",
        "trained, reps",
    ),
    "latents of an SAE": (
        *("sae, contrast", "sae, 5 latents", "sae, output score", "sae, input and output", "sae, lift"),
        *("sae, supervised", "sae, clamped", "corrsteer"),
    ),
    "by measured effects": (
        *("sae-ts", "sae-ts, no bias term", "sae-ts, 5 latents", "pinverse", "rotation", "fgaa"),
        "sae, contrast",
    ),
    "topic alignment, ActAdd": (
        *("topic, clamp", "topic, clamp by level", "topic, weight", "topic, swap"),
        *("actadd", "actadd, mean"),
    ),
    "openings, closed loops, search": (
        *("opening, diffmean", "opening, trained", "trained at the opening", "trained, until found"),
        *("trained, controlled", "search", "search, openings"),
    ),
    "tuning": ("fine-tuning", "LoRA"),
}
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")


def methods(found: dict[str, Any]) -> list[str]:
    """Those of any concept, by the mean of their product."""
    names = dict.fromkeys(name for each in found["concepts"] for name in each["methods"])
    return sorted(names, key=lambda name: -float(np.mean(column(found, name, "product", "product"))))


def column(found: dict[str, Any], method: str, goal: str, figure: str) -> list[float]:
    """One number per concept; 0 for behaviour and product where no setting was good enough."""
    values = []
    for each in found["concepts"]:
        chosen = each["methods"].get(method, {}).get(goal)
        if chosen is None:
            values += [0.0] if figure in {"behaviour", "product"} else []
        elif chosen.get(figure) is not None:
            value = chosen[figure]
            values.append(value[1] if isinstance(value, list) else value)
    return values


def mean(values: list[float], digits: int = 2, geometric: bool = False) -> str:
    if not values:
        return "-"
    return f"{np.exp(np.mean(np.log(values))) if geometric else np.mean(values):.{digits}f}"


FIGURES: Final = {"KL": "kl", "nats": "nats", "perplexity": "perplexity", "distinct-2": "distinct_2"} | {
    "other concepts": "off_target"
}


def results(found: dict[str, Any], goal: str) -> list[str]:
    head = ["method", "behaviour", "coherence", "product", *FIGURES, "seconds to make"]
    rows = [
        [
            name,
            with_interval(column(found, name, goal, "behaviour")),
            mean(column(found, name, goal, "coherence")),
            with_interval(column(found, name, goal, "product")),
            *(
                mean(column(found, name, goal, each), geometric=each == "perplexity")
                for each in FIGURES.values()
            ),
            mean(
                [each["methods"][name]["seconds"] for each in found["concepts"] if name in each["methods"]], 1
            ),
        ]
        for name in methods(found)
    ]
    return [f"Chosen by {GOALS[goal]}:", "", *table(head, [*rows, plain_row(found, intervals=True)]), ""]


def plain_row(found: dict[str, Any], intervals: bool = False) -> list[str]:
    """The model that nothing is done to."""
    of = {
        key: float(np.mean([each["base"][key][1] for each in found["concepts"]]))
        for key in ("behaviour", "coherence", "product")
    } | {
        key: float(np.mean([each["base"][key] for each in found["concepts"]]))
        for key in ("perplexity", "distinct_2", "off_target")
    }
    first = [f"{of[key]:.2f}" for key in ("behaviour", "coherence", *(["product"] if intervals else []))]
    rest = [f"{of[key]:.2f}" for key in ("perplexity", "distinct_2", "off_target")]
    return [
        "plain model",
        *([] if intervals else [""]),
        *first,
        "0",
        "0",
        *rest,
        *(["0"] if intervals else []),
    ]


def side_effects(found: dict[str, Any]) -> list[str]:
    """What the same behaviour costs with each method."""
    rows, missed = [], []
    for name in methods(found):
        reached = [
            each["methods"][name]["alike"]
            for each in found["concepts"]
            if each["methods"].get(name, {}).get("alike")
        ]
        if len(reached) * 2 < len(found["concepts"]):
            continue
        cells = [np.mean([each[key][1] for each in reached]) for key in ("behaviour", "coherence")]
        told = [_small_interval([each[key] for each in reached]) for key in FIGURES.values()]
        kl = float(np.mean([each["kl"] for each in reached]))
        if abs(float(cells[0]) - 0.2) > 0.03:
            missed.append(f"{name} ({cells[0]:.2f})")
            continue
        rows.append((kl, [name, str(len(reached)), *(f"{each:.2f}" for each in cells), *told]))
    head = ["method", "concepts", "behaviour", "coherence", *FIGURES]
    text = (
        "Each method at the least strength that reaches a behaviour of 0.2 on the prompts that choose, found "
        "by bisection between settings (5 halvings, samples of their own), measured on the other prompts. "
        "Left out: those that reached something else there, "
        f"{', '.join(missed)}; those that get there for "
        "fewer than half of the concepts; prompting and the searches, which have no strengths between. KL "
        "and nats are of clean text, means over whole texts, of which an opening edits five tokens; "
        "perplexity, distinct-2 (share of different pairs of words) and other concepts are of what was "
        "written. Intervals over concepts. Ordered by KL."
    )
    ordered = [row for _, row in sorted(rows, key=lambda each: each[0])]
    shown = table(head, [*ordered, plain_row(found)])
    return ["## Side effects at equal behaviour", "", *wrap(text, 110), "", *shown, ""]


def _small_interval(values: list[float]) -> str:
    found = bootstrap_mean(np.array(values))
    return f"{_small(found.estimate)} [{_small(found.low)}, {_small(found.high)}]"


def _small(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def against_prompting(found: dict[str, Any]) -> list[str]:
    """Differences of product, concept by concept."""
    best = np.array(column(found, "prompting", "product", "product"))
    names = [name for name in methods(found) if name != "prompting"]
    differences = [np.array(column(found, name, "product", "product")) - best for name in names]
    tests = holm(np.array([sign_flip_test(each) for each in differences]))
    rows = [
        [
            name,
            with_interval(list(each)),
            f"{int((each >= 0).sum())} of {len(each)}",
            f"{p:.3f}" if p >= 0.001 else "< 0.001",
        ]
        for name, each, p in zip(names, differences, tests, strict=True)
    ]
    head = ["method", "product less that of prompting", "as good or better", "p (sign flips, Holm)"]
    return ["## How far from prompting", "", *table(head, rows), ""]


def page() -> str:
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    names, n = methods(found), len(found["concepts"])
    lines = [
        "# Steering methods compared",
        "",
        "Written by `python scripts/write_methods.py` from `docs/figures/methods.json`, which",
        "",
        f"    {found['command']}",
        "",
        *wrap(ABOUT.format(concepts=n, methods=len(names)), 110),
        "",
        "## In short",
        "",
        *in_short(found),
        "## Results",
        "",
        *results(found, "product"),
        *results(found, "coherent"),
        *left_out(found),
        *against_prompting(found),
        *side_effects(found),
        "## Paths",
        "",
        "![behaviour against coherence](figures/methods_pareto.png)",
        "",
        *wrap(PATHS, 110),
        "",
    ]
    return "\n".join(lines)


def left_out(found: dict[str, Any]) -> list[str]:
    """Methods that could not be made for a concept, which count as 0 there."""
    told = [
        f"- {name}, {each['concept']}: {why}"
        for each in found["concepts"]
        for name, why in each["left_out"].items()
        if name not in each["methods"]
    ]
    return ["Not possible, counted as 0:", "", *told, ""] if told else []


def in_short(found: dict[str, Any]) -> list[str]:
    """What the tables say, and why."""
    best = {name: float(np.mean(column(found, name, "product", "product"))) for name in methods(found)}

    def gap(name: str, other: str = "prompting") -> str:
        less = np.array(column(found, name, "product", "product")) - np.array(
            column(found, other, "product", "product")
        )
        told = bootstrap_mean(less)
        return f"{told.estimate:+.2f} [{told.low:+.2f}, {told.high:+.2f}]"

    text = SHORT.format(
        sae_ts=best["sae-ts"], no_bias=best["sae-ts, no bias term"], decoder=best["sae, contrast"],
        diffmean=best["diffmean"], random=best["random"], prompting=best["prompting"],
        tuned=best["fine-tuning"], lora=best["LoRA"], trained=best["trained, lm"],
        early=best["trained, early"], both=best["opening, trained"] - best["trained, lm"],
        depth=best["trained, early"] - best["trained, lm"], depth_gap=gap("trained, early", "trained, lm"),
        place=best["opening, trained"] - best["trained, early"],
        opening=best["opening, trained"], gap=gap("opening, trained"),
        placed=best["trained at the opening"], placed_gap=gap("trained at the opening"),
        placed_kl=np.mean(column(found, "trained at the opening", "product", "kl")),
        opening_kl=np.mean(column(found, "opening, trained", "product", "kl")),
        opening_diffmean=best["opening, diffmean"],
        until=best["trained, until found"], controlled=best["trained, controlled"],
        until_share=100 * way(best, "trained, until found"),
        controlled_share=100 * way(best, "trained, controlled"),
        **paired_kl(found, "ts_decoder", "sae, contrast"),
        **paired_kl(found, "ts_diffmean", "diffmean"),
        search=best["search"], searched=best["search, openings"], searched_gap=gap("search, openings"),
        places=places(found),
        off=np.mean(column(found, "opening, trained", "product", "off_target")),
        off_prompting=np.mean(column(found, "prompting", "product", "off_target")),
    )  # fmt: skip
    return [line for part in text.split("\n\n") for line in (*wrap(part, 110), "")]


def way(best: dict[str, float], name: str) -> float:
    """Which share of the way from the trained direction to prompting."""
    return (best[name] - best["trained, lm"]) / (best["prompting"] - best["trained, lm"])


def paired_kl(found: dict[str, Any], key: str, other: str) -> dict[str, Any]:
    """SAE-TS without bias over another method: ratio of mean KLs at equal behaviour, where both reach it."""
    pairs = [
        (each["methods"]["sae-ts, no bias term"]["alike"], each["methods"][other]["alike"])
        for each in found["concepts"]
    ]
    both = [(one["kl"], two["kl"]) for one, two in pairs if one and two]
    lower = sum(one < two for one, two in both)
    ratio = sum(one for one, _ in both) / sum(two for _, two in both)
    return {key: ratio, f"{key}_n": f"lower for {lower} of {len(both)}"}


def places(found: dict[str, Any]) -> str:
    """Which hookpoints the search of openings took, and how often."""
    winners = [each["methods"].get("search, openings", {}).get("winner", "") for each in found["concepts"]]
    counted = Counter(place for each in winners for place in re.findall(r"layers\.\d", each))
    return ", ".join(f"{place} for {n}" for place, n in sorted(counted.items())) + " concepts"


def path(found: dict[str, Any], name: str) -> list[tuple[float, float]]:
    """Coherence and behaviour at each strength, means over concepts; of prompting and searches the best."""
    curves = [each["methods"][name]["curve"] for each in found["concepts"] if name in each["methods"]]
    if name == "prompting" or name.startswith("search"):
        best = [max(c, key=lambda p: p["behaviour"] * p["coherence"]) for c in curves]
        return [tuple(np.mean([(p["coherence"], p["behaviour"]) for p in best], axis=0))]
    return [
        tuple(np.mean([(c[i]["coherence"], c[i]["behaviour"]) for c in curves], axis=0))
        for i in range(min(map(len, curves)))
    ]


def picture(found: dict[str, Any], file: Path) -> None:
    """A panel for each family, a path for each method over its strengths, and prompting as a star."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 3, figsize=(14, 9), sharex=True, sharey=True)
    for axes, (family, names) in zip(panels.flat, FAMILIES.items(), strict=True):
        for number, name in enumerate(name for name in names if name in methods(found)):
            xs, ys = zip(*path(found, name), strict=True)
            axes.plot(
                xs, ys, label=name, markersize=5, linewidth=1, color=COLOURS[number], marker=MARKERS[number]
            )
        ((x, y),) = path(found, "prompting")
        axes.plot([x], [y], label="prompting", linestyle="", marker="*", markersize=15, color="#d00000")
        axes.set_title(family, fontsize=10)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper left")
    for axes in panels[1]:
        axes.set_xlabel("coherence")
    for axes in panels[:, 0]:
        axes.set_ylabel("behaviour")
    figure.tight_layout()
    figure.savefig(file, dpi=80, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    picture(json.loads(RECORD.read_text(encoding="utf-8")), PICTURE)
    (FOLDER / "methods_compared.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
