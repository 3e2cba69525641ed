"""Write docs/effects_world.md from docs/figures/effects_world.json (scripts/measure_effects.py).

    python scripts/write_effects.py

No figure is typed by hand.
"""

from __future__ import annotations

import json
from textwrap import wrap
from typing import Any, Final

import numpy as np
from write_figures import FOLDER, table, with_interval

RECORD: Final = FOLDER / "figures" / "effects_world.json"
PAGE: Final = FOLDER / "effects_world.md"
HOW: Final = """\
{fitted} vectors (every decoder row of world/layers.3, mixtures of two, random directions), each at
the strength that adds 0.5 nats, {first} rollouts of 14 openers; ridge with lambda {ridge:.2g},
chosen by five folds; {test} vectors had no say. Some of these are measured again with {second}
rollouts and other luck, which says how much of a measurement is luck.
"""
PROMISED: Final = """\
For the latent that contrast chooses for each of {concepts} concepts: the vector of each method,
measured at its own strength of 0.5 nats with {second} rollouts. Target: the effect on the latent
that was aimed at. Elsewhere: the length of the effects on all others. Place: of the target among
all latents, by the measured effect (median). Correlation: of predicted and measured effects over
latents.
"""


def page() -> str:
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    first, second = found["rollouts"]
    shared = {
        "fitted": f"{sum(found['vectors'].values()):,}",
        "test": found["vectors"]["test"],
        "first": first,
        "second": second,
        "ridge": found["ridge"],
        "concepts": len({row["concept"] for row in found["promised"]}),
    }
    lines = [
        "# Effects on the embedded world",
        "",
        "    saesteer effects measure --decoder all --mixtures 1000 --random 1000 -n 2 --workers 2 \\",
        "        --out build/effects",
        "    saesteer effects fit build/effects --out build/effects-fit",
        "    python scripts/measure_effects.py --json docs/figures/effects_world.json",
        "    python scripts/write_effects.py",
        "",
        *wrap(HOW.format(**shared), 110),
        "",
        *short(found),
        "## Predicted against measured",
        "",
        *agreement(found),
        "## What the vectors really do",
        "",
        *wrap(PROMISED.format(**shared), 110),
        "",
        *promised(found),
    ]
    return "\n".join(lines)


def agreement(found: dict[str, Any]) -> list[str]:
    luck, (first, second) = found["luck"], found["rollouts"]
    head = ["what against what", "vectors", "pooled R^2", "median R^2 of latents", "above 0", "correlation"]
    names = {
        "all held out, first measurement": f"fit, {first} rollouts",
        "fit against first": f"fit, {first} rollouts, those measured again",
        "fit against second": f"fit, {second} rollouts",
    }
    rows = [
        [
            f"{label}: {each['kind']}",
            str(each["vectors"]),
            ends(each, "pooled_r2"),
            f"{each['median_r2']:.2f}",
            f"{100 * each['share_above_0']:.0f} %",
            ends(each, "vector_correlation"),
        ]
        for key, label in names.items()
        for each in luck[key]
    ]
    both = luck["first against second"]
    rows.append(
        [
            f"first measurement ({first} rollouts) against second ({second}): all",
            str(sum(luck["vectors"].values())),
            ends(both, "pooled_r2"),
            "",
            "",
            ends(both, "vector_correlation"),
        ]
    )
    text = (
        "Pooled: one less squared error over squared distance from each latent's mean, all latents together. "
        "Above 0: the share of the latents that vary which the fit tells at all. Correlation: of one "
        "vector's predicted and measured effects over latents, the mean over vectors. Intervals are 95 %, "
        "vectors drawn anew within their kind; figures by latent have none, since of a latent that few "
        "vectors raise such a draw holds too little."
    )
    return [*wrap(text, 110), "", *table(head, rows)]


def ends(row: dict[str, Any], figure: str) -> str:
    """A figure with its interval."""
    low, high = row["intervals"][figure]
    return f"{row[figure]:.2f} [{low:.2f}, {high:.2f}]"


def promised(found: dict[str, Any]) -> list[str]:
    head = ["vector", "target, predicted", "target, measured", "elsewhere", "target / elsewhere", "place"]
    rows = []
    for name in dict.fromkeys(row["vector"] for row in found["promised"]):
        part = [row for row in found["promised"] if row["vector"] == name]
        share = [row["measured"] / row["side_effects"] for row in part]
        rows.append(
            [
                name,
                f"{np.mean([row['predicted'] for row in part]):.2f}",
                with_interval([row["measured"] for row in part]),
                with_interval([row["side_effects"] for row in part]),
                with_interval(share),
                f"{np.median([row['place'] for row in part]):.0f}",
                f"{np.mean([row['correlation'] for row in part]):.2f}",
            ]
        )
    return table([*head, "correlation"], rows)


def short(found: dict[str, Any]) -> list[str]:
    """What the tables say."""
    luck = found["luck"]

    def of(key: str, figure: str) -> float:
        (all_,) = [each for each in luck[key] if each["kind"] == "all"]
        return float(all_[figure])

    def part(name: str, figure: str) -> float:
        return float(np.mean([row[figure] for row in found["promised"] if row["vector"] == name]))

    text = (
        f"The fit explains {of('fit against first', 'pooled_r2'):.2f} of effects measured with "
        f"{found['rollouts'][0]} rollouts and {of('fit against second', 'pooled_r2'):.2f} of the same "
        f"vectors measured with {found['rollouts'][1]}; the first measurement itself explains "
        f"{luck['first against second']['pooled_r2']:.2f} of the second, so most "
        "of what the fit misses is not luck. At the same added cross-entropy the "
        f"vector of SAE-TS raises its target by {part('sae_ts', 'measured'):.2f}, without the bias term by "
        f"{part('sae_ts, no bias term', 'measured'):.2f}, the decoder row by "
        f"{part('decoder row', 'measured'):.2f}, and does {part('sae_ts', 'side_effects'):.2f}, "
        f"{part('sae_ts, no bias term', 'side_effects'):.2f} and {part('decoder row', 'side_effects'):.2f} "
        "elsewhere. So there is more of the target beside what happens elsewhere than with the decoder "
        "row, as there is with the pseudo-inverse. In texts that is not more of the concept "
        "(methods_compared.md): a latent that is active is not yet a well-formed sentence about it. "
        "Decoder rows had a part in the fit."
    )
    return [*wrap(text, 110), ""]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
