"""Write docs/figures.md from the figures that the measuring scripts left in docs/figures/*.json.

    python scripts/write_figures.py

No figure is typed by hand: each table names the command that made it.
"""

import json
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from interpretation_figures import caching, examples, pages

from saesteer.statistics import bootstrap_mean

FOLDER = Path(__file__).parents[1] / "docs"
GOALS = {"diffmean": 5.0, "sae_decoder": 3.0}
METHODS = {
    "diffmean": "difference of means",
    "sae_decoder": "best SAE latent",
    "prompting": "best prompt",
    "random_direction": "random direction",
}


def load(name: str) -> dict | None:
    path = FOLDER / "figures" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def number(value: object, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def with_interval(values: list[float]) -> str:
    """Their mean, with its bootstrapped 95 % interval."""
    found = bootstrap_mean(np.array(values))
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


def table(head: list[str], rows: list[list[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(number(cell) for cell in row) + " |" for row in rows), ""]


def world(found: dict) -> list[str]:
    lm, samples, spotting = found["language_model"], found["samples"], found["word_spotting"]
    best, any_word = spotting["best_word"], spotting["any_word"]
    lines = [
        "## The embedded model",
        "",
        "`python scripts/measure_world.py --json docs/figures/world.json`",
        "",
    ]
    lines += table(
        ["what", "figure", "target"],
        [
            ["cross-entropy on held-out stories, nats per token", lm["cross_entropy"], ""],
            ["true entropy of the same stories", lm["entropy"], ""],
            ["gap", lm["gap"], "at most 0.03"],
            ["sampled stories", samples["stories"], ""],
            [
                "well-formed sentences, sampled at temperature 1",
                f"{samples['well_formed']:.4f}",
                "at least 0.97",
            ],
            [
                "stories with consistent names and pronouns",
                samples["consistent_names_and_pronouns"],
                "at least 0.95",
            ],
            ["stories with consistent town and time of day as well", samples["consistent_stories"], ""],
            *(
                [
                    f"{what} tells a sentence's concept: AUROC, median (highest)",
                    f"{middle:.3f} ({most:.3f})",
                    "",
                ]
                for what, middle, most in (
                    ("the single best word", median(best.values()), max(best.values())),
                    ("any word of the concept's own", median(any_word.values()), max(any_word.values())),
                )
            ),
        ],
    )
    for at in ("layers.3", "layers.4.attn"):
        if at in found:
            lines += sae(at, found)
    return lines


def sae(at: str, found: dict) -> list[str]:
    mine = found[at]
    rows: list[list[object]] = []
    if "quality" in mine:
        q = mine["quality"]
        rows += [
            ["FVU", q["fvu"], "at most 0.05"],
            ["L0", q["l0"], "at most 32"],
            ["dead latents", q["dead"], "at most 0.05"],
            [
                "loss recovered (from zeros; from the mean)",
                f"{q['recovered_over_zero']:.4f}; {q['recovered_over_mean']:.4f}",
                "at least 0.98",
            ],
        ]
    token = list(mine["token_auroc"].values())
    rows += [
        [
            "concepts with one latent of sentence AUROC >= 0.95",
            mine["sentence_concepts_at_0.95"],
            "at least 20",
        ],
        ["concepts with one latent of token AUROC >= 0.8", mine["token_concepts_at_0.8"], "at least 13"],
        ["token AUROC of the best latent, median", median(token), ""],
        ["the same at the full stop", mine["full_stop_auroc_median"], ""],
        ["token AUROC of a linear probe, median", median(mine["probe_token_auroc"].values()), ""],
        ["token AUROC of the Bayes ceiling, median", median(found["bayes_ceiling"].values()), ""],
    ]
    for name, what in (("random_latent_auroc", "best latent"), ("random_probe_auroc", "linear probe")):
        if name in mine:
            rows.append(
                [
                    f"random-weights control: token AUROC of the {what}, median",
                    median(mine[name].values()),
                    "",
                ]
            )
    lines = [f"## The SAE at {at}", "", *table(["what", "figure", "target"], rows)]
    concepts = [
        [
            c,
            mine["sentence_auroc"][c],
            mine["token_auroc"][c],
            mine["probe_token_auroc"][c],
            found["bayes_ceiling"][c],
            found["word_spotting"]["best_word"][c],
            found["word_spotting"]["any_word"][c],
        ]
        for c in mine["token_auroc"]
    ]
    heads = [
        "concept",
        "best latent: sentence AUROC",
        "token AUROC",
        "probe (token)",
        "Bayes ceiling (token)",
    ]
    return lines + table([*heads, "best word (sentence)", "any own word (sentence)"], concepts)


FIGURES = {  # of an SAE: how it stands in the summary -> how it stands on the page
    "FVU": "fvu",
    "L0": "l0",
    "dead latents": "dead",
    "dense latents (fire at more than a tenth of the tokens)": "dense",
    "cross-entropy, plain, nats per token": "loss_plain",
    "the same, spliced": "loss_spliced",
    "loss recovered, from zeros": "recovered_over_zero",
    "loss recovered, from the mean": "recovered_over_mean",
    "concepts measured": "concepts",
    "concepts with one latent of precision and recall >= 0.5": "detected_0.5",
    "the same, >= 0.8": "detected_0.8",
    "precision of the best latent, mean": "precision",
    "recall": "recall",
    "F1": "f1",
    "F1 of saying yes always": "chance_f1",
    "F1, latents and concepts one to one": "assigned_f1",
    "AUROC of the best latent": "ranked_auroc",
    "AUROC of a probe of 1 latent": "sparse_1_auroc",
    "of 2 latents": "sparse_2_auroc",
    "of 5 latents": "sparse_5_auroc",
    "of 16 latents": "sparse_16_auroc",
    "of the whole activation": "dense_auroc",
    "balanced accuracy of 16 latents": "sparse_16_accuracy",
    "balanced accuracy of the whole activation": "dense_accuracy",
    "absorption, mean": "absorption",
}


def quality(found: dict) -> list[str]:
    tokens = next(iter(found.values()))["trained"]["summary"]["tokens"]
    lines = [
        "## Quality of the SAEs",
        "",
        "`python scripts/measure_quality.py --json docs/figures/quality.json`",
        "",
        f"On {tokens:,} tokens of held-out stories whose concepts are known token by token. Latents, "
        "thresholds and probes are chosen on one half of the stories; all figures of concepts are from the "
        "other. Untrained: an SAE of the same shape before its first step, which shows what the choice among "
        "so many random directions gives. Absorption: after Chanin et al. 2024; sparse probing: after Gurnee "
        "et al. 2023; the docstrings of `evaluation/saes/` say what differs. A token has the concepts of its "
        "whole sentence, so one latent misses many of its tokens; read absorption beside the untrained one. "
        "`saesteer quality world/layers.3 --out "
        "FOLDER` makes the page of one SAE.",
        "",
    ]
    kinds = [(name, kind) for name in found for kind in found[name]]
    lines += table(
        ["what", *(f"{name.removeprefix('world/')}, {kind}" for name, kind in kinds)],
        [
            [what, *(found[name][kind]["summary"][key] for name, kind in kinds)]
            for what, key in FIGURES.items()
        ],
    )
    for name in found:
        lines += [f"Every concept, {name}; in brackets untrained:", "", *_concepts(**found[name])]
    return lines


def _concepts(trained: dict, untrained: dict) -> list[str]:
    control = {row["concept"]: row for row in untrained["concepts"]}
    figures = (
        "precision",
        "recall",
        "f1",
        "auroc",
        "sparse_1_auroc",
        "sparse_16_auroc",
        "dense_auroc",
        "absorption",
    )
    heads = ["concept", "tokens with it", "latent", "precision", "recall", "F1", "AUROC"]
    heads += ["probe of 1", "probe of 16", "whole activation", "absorbed"]
    rows = []
    for row in trained["concepts"]:
        other = control.get(row["concept"], {})
        cells = [f"{number(row[each], 2)} ({number(other.get(each), 2)})" for each in figures]
        rows.append([row["concept"], row["positives"], row["latent"], *cells])
    left = (
        [f"Left out, with too few tokens: {', '.join(trained['left_out'])}.", ""]
        if trained["left_out"]
        else []
    )
    return table(heads, rows) + left


def steering(found: dict) -> list[str]:
    lines = [
        "## Steering",
        "",
        f"`{found.get('command', 'python scripts/measure_steering.py --json docs/figures/steering.json')}`",
        "",
    ]
    reached, n = {m: reaching(found["rows"], m) for m in GOALS}, found["concepts"]
    lines += [
        "Goals: the lower end of the ratio's 95 % interval, a lift of at least 0.1, a coherence of 0.8. "
        "Difference of means, 5 times the "
        f"base rate: {reached['diffmean']} of {n} concepts. "
        f"Best SAE latent, 3 times: {reached['sae_decoder']} of {n}. "
        "Target: 20 each.",
        "",
    ]
    summary = []
    for method, label in METHODS.items():
        rows = [r for r in found["rows"] if r["method"] == method]
        done = [r for r in rows if r.get("behaviour") is not None]
        if done:
            summary.append(
                [
                    label,
                    f"{len(done)} of {len(rows)}",
                    median(r["behaviour"] for r in done),
                    median(r["coherence"] for r in done),
                    median(r["ratio"] for r in done if r["ratio"] is not None),
                    median(r["ratio_low"] for r in done if r["ratio_low"] is not None),
                ]
            )
    lines += table(
        [
            "method",
            "concepts with a setting",
            "behaviour, median",
            "coherence, median",
            "ratio to base, median",
            "its lower end, median",
        ],
        summary,
    )
    lines += [moonshot(found["rows"]), ""]
    concepts = list(dict.fromkeys(r["concept"] for r in found["rows"]))
    by = {(r["concept"], r["method"]): r for r in found["rows"]}
    body = [[c, by[c, "diffmean"]["base"], *(cell(by.get((c, m))) for m in METHODS)] for c in concepts]
    return [
        *lines,
        "Behaviour at the chosen setting (ratio to the base rate, lower end of its interval):",
        "",
        *table(["concept", "base", *METHODS.values()], body),
    ]


def moonshot(rows: list[dict]) -> str:
    """How far steering is from prompting: its behaviour over that of the best prompt, concept by concept."""
    behaviour = {(r["concept"], r["method"]): r.get("behaviour") for r in rows}
    prompted = {c: b for (c, m), b in behaviour.items() if m == "prompting" and b}
    parts = []
    for method in GOALS:
        shares = [(behaviour.get((c, method)) or 0.0) / b for c, b in prompted.items()]
        even = sum(share >= 1 for share in shares)
        parts.append(f"{METHODS[method].lower()} {median(shares):.2f} (as good or better in {even})")
    sentences = min(r["base_sentences"] for r in rows)
    return (
        "The moonshot is steering that equals prompting at the same coherence. Share of the best prompt's "
        f"behaviour, median over {len(prompted)} concepts: {', '.join(parts)}. A method without a setting "
        f"counts as 0. Base rates are from {sentences:,} sentences or more."
    )


def reaching(rows: list[dict], method: str) -> int:
    """Concepts with the goal reached on the test half."""
    return sum(row.get("reached", False) for row in rows if row["method"] == method)


def cell(row: dict | None) -> str:
    if not row or row.get("behaviour") is None:
        return "-"
    ratio = "" if row["ratio_low"] is None else f" ({row['ratio']:.1f}x, {row['ratio_low']:.1f}x)"
    return f"{row['behaviour']:.2f}{ratio}"


def speed(found: dict) -> list[str]:
    lines = ["## Speed", "", "`python scripts/measure_speed.py --json docs/figures/speed.json`", ""]
    rows = [
        [
            name.replace("_", " "),
            f["ratio_median"],
            f"{f['ratio_p10']:.3f} to {f['ratio_p90']:.3f}",
            f["a_seconds"],
            f["b_seconds"],
            f["pairs"],
        ]
        for name, f in found.items()
    ]
    return lines + table(
        ["ratio", "median", "10th to 90th percentile", "first, s", "second, s", "pairs"], rows
    )


TARGETS = {"import saesteer (less python alone)": 0.3, "saesteer --help": 0.5, "saesteer demo": 90.0}


def times(found: dict) -> list[str]:
    command = "python scripts/measure_times.py --runs 3 --json docs/figures/times.json"
    lines = ["## Waiting", "", f"`{command}`", ""]
    rows: list[list[object]] = [
        [what, value, TARGETS.get(what, 2.0 if "help" in what else "")] for what, value in found.items()
    ]
    return lines + table(["what", "seconds, median", "target, under"], rows)


def training_step(found: dict) -> list[str]:
    config, columns = found["config"], found["columns"]
    lines = [
        "## A training step of a TopK SAE with AuxK",
        "",
        "`python benchmarks/training_step.py --rounds 7 --dead-after 4096 "
        "--json docs/figures/training_step.json`",
        "",
        f"d_in {config['width']}, d_sae {config['latents']}, k {config['k']}, batch {config['batch']}, "
        f"float32, {config['threads']} threads, no GPU. A process for each column, one at work at a "
        "time, the order "
        "turning from round to round. Time: the median over rounds of a round over that of dense, a plain "
        "autograd step. FVU after equal tokens, on tokens that nobody has seen. floor learns nothing: the "
        "encoder's product, the k largest and a fused Adam step, without which no step can be.",
        "",
    ]
    rows = [
        [name, each["time"], "-" if name == "floor" else each["FVU"], f"{each['noisy']} of {each['rounds']}"]
        for name, each in columns.items()
    ]
    lines += table(["column", "time over dense", "FVU", "noisy rounds"], rows)
    ours, theirs = columns["saesteer"]["time"], columns["sparsify"]["time"]
    return [
        *lines,
        f"{theirs / ours:.2f} times as fast as sparsify (target: 1.5, at no worse FVU); "
        f"{ours / columns['floor']['time']:.2f} of the floor.",
        "",
    ]


def sparse_decode(found: dict) -> list[str]:
    config = found["config"]
    lines = [
        "## Decoding sparse latents",
        "",
        "`python benchmarks/sparse_decode.py --json docs/figures/sparse_decode.json`",
        "",
        f"{config['tokens']} tokens, width {config['width']}, {config['latents']:,} latents, "
        f"k {config['k']}, {config['threads']} threads, no GPU. dense: latents that stand ready times "
        "W_dec; bag: torch's "
        "embedding_bag alone. Target: 20 times as fast as dense.",
        "",
    ]
    rows = [[name, each["ms"], f"{each['ratio']:.1f}"] for name, each in found["columns"].items()]
    return lines + table(["column", "ms, median", "times as fast as dense"], rows)


STEERED: Final = {
    "unsteered": ("the same twice: noise", ""),
    "bare_hook": ("a bare forward hook that adds a vector", ""),
    "saesteer": ("saesteer, add", "reaching below 1.02"),
    "steering_vectors": ("steering-vectors", ""),
    "repeng": ("repeng", ""),
    "nnsight": ("nnsight", ""),
    "lm_eval": ("lm-evaluation-harness", ""),
    "saesteer_relu_latent": ("saesteer, a ReLU latent set", "1.03"),
    "saesteer_jumprelu_latent": ("saesteer, a JumpReLU latent set", "1.03"),
    "saesteer_topk_latent": ("saesteer, a TopK latent set", "1.15"),
    "rows_256": ("256 rows with 256 specs over 256 rows with one", "1.3"),
    "rows_256_four_layers": ("the same, the 256 mixed over four layers", "1.3"),
}


def steered_generation(found: dict) -> list[str]:
    lines = [
        "## Steered generation",
        "",
        f"`{found['command']}`",
        "",
        "A randomly initialised Llama (d 512, 8 layers, vocabulary 32,000), greedy, batch 16, 16 tokens of "
        "prompt, the edit after block 4; SAEs of 16,384 latents. Time over that of unsteered generation: "
        "median of interleaved pairs with its 95 % interval, a process for each row. Same tokens: as under "
        "the bare hook. Microseconds: what the steering adds to each new token of the batch. A dash: not "
        "measured.",
        "",
    ]
    return lines + _steered(found)


def steered_small(found: dict) -> list[str]:
    lines = [
        "## Steered generation of a small model",
        "",
        f"`{found['command']}`",
        "",
        "The same at batch 1 on a model 64 wide, where nothing hides what the machinery of an edit costs.",
        "",
    ]
    return lines + _steered(found, targets=False)


def _steered(found: dict, targets: bool = True) -> list[str]:
    rows: list[list[object]] = []
    for name, (label, target) in STEERED.items():
        each = found["columns"].get(name)
        target = [target] if targets else []
        if each is None:
            if targets:
                rows.append([label, "-", "-", "-", *target, "-", "-"])
            continue
        same = {True: "yes", False: "no", None: ""}[each["same"]]
        interval = f"{each['low']:.3f} to {each['high']:.3f}"
        us = "{:.0f} ({:.0f} to {:.0f})".format(*each["us"])
        rows.append([label, f"{each['ratio']:.3f}", interval, us, *target, each["pairs"], same])
    named = ["target"] if targets else []
    return table(["what", "time, ratio", "95 %", "microseconds", *named, "pairs", "same tokens"], rows)


def topic_scores(found: dict) -> list[str]:
    config, columns = found["config"], dict(found["columns"])
    intervals = columns.pop("intervals_ms")
    lines = [
        "## Scores of topic alignment",
        "",
        f"`python benchmarks/topic_scores.py --rounds {config['rounds']} "
        "--json docs/figures/topic_scores.json`",
        "",
        f"{config['prompts']} prompts x {config['latents']:,} latents; loop: latent by latent, as published. "
        f"Intervals of 400 draws take {intervals:.0f} ms more. Target: 20 ms.",
        "",
    ]
    rows = [[name, f"{each['ms']:.2f}", f"{each['ratio']:.1f}"] for name, each in columns.items()]
    return lines + table(["column", "ms, median", "times as fast as the loop"], rows)


def effects(found: dict) -> list[str]:
    config = found["config"]
    lines = [
        "## Measuring effects",
        "",
        "`python benchmarks/effects.py --json docs/figures/effects.json`",
        "",
        f"{config['vectors']} vectors on the world's layers.3, {config['threads']} thread, "
        f"{config['rounds']} rounds; the reference: one vector at a time, generate, then read again "
        "(docs/effects.md). Target: 10 times the vectors per minute.",
        "",
    ]
    rows = [
        [
            14 * int(n),
            f"{each['columns']['saesteer']['vectors_per_minute']:.0f}",
            f"{each['columns']['reference']['vectors_per_minute']:.0f}",
            f"{each['ratio']['seconds']:.1f}",
            f"{each['ratio']['cpu']:.1f}",
        ]
        for n, each in found["by_n"].items()
    ]
    head = [
        "rollouts per vector",
        "vectors per minute",
        "the reference",
        "times, by the clock",
        "by the core",
    ]
    return lines + table(head, rows)


def page() -> str:
    """The page of all figures that are there."""
    lines = [
        "# Figures",
        "",
        "Made by the commands named, on two CPU cores; written by `python scripts/write_figures.py`.",
        "",
    ]
    sections = {
        "world": world,
        "quality": quality,
        "steering": steering,
        "speed": speed,
        "training_step": training_step,
        "sparse_decode": sparse_decode,
        "steered_generation": steered_generation,
        "steered_small": steered_small,
        "topic_scores": topic_scores,
        "effects": effects,
        "caching": lambda found: caching(found, table),
        "examples_speed": lambda found: examples(found, table),
        "latent_page": lambda found: pages(found, table),
        "times": times,
    }
    for name, section in sections.items():
        found = load(name)
        if found:
            lines += section(found)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    (FOLDER / "figures.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
