"""`saesteer find`: a concept to ranked latents, with evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.explained import HOME, are_words, find_explained
from saesteer.errors import InputError, UnknownName

if TYPE_CHECKING:
    from rich.console import RenderableType

    from saesteer.concepts import Evidence, Ranking, Shortlist
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE
    from saesteer.text import Concept

_STORIES = 400  # of the world, for --words without --texts


def find(
    concept: Annotated[
        str | None,
        typer.Argument(
            help="A concept: world/wedding, or a .yaml or .json file; or words, for explanations near.",
            show_default=False,
        ),
    ] = None,
    model: options.Model = options.MODEL,
    sae: options.Sae = options.SAE,
    at: options.At = None,
    positive: Annotated[
        Path | None, typer.Option(help="Texts with the concept: .txt (one per line), .jsonl, .csv.")
    ] = None,
    negative: Annotated[
        Path | None, typer.Option(help="Texts without it, otherwise as alike as can be.")
    ] = None,
    words: Annotated[
        str | None, typer.Option(help="Words with commas: texts that hold one against texts that hold none.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Where --words looks; default for the model world: its own stories.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="What ranks: contrast (of texts), logit_effect, output_score, combined, lift, supervised or "
            "topic_alignment."
        ),
    ] = "contrast",
    explained: Annotated[
        Path | None,
        typer.Option(help="Where words are looked for: a folder of explain; default: interpretation."),
    ] = None,
    aligned: Annotated[
        str | None,
        typer.Option(
            "--aligned",
            "--d-align",
            help="Texts of a topic (a .csv of IBM's form will do), or world/TOPIC: score by nearness.",
        ),
    ] = None,
    d_ref: Annotated[
        str | None,
        typer.Option(
            "--d-ref", help="Reference prompts for --aligned: a file, or world; default: the model's."
        ),
    ] = None,
    contrasted: Annotated[
        bool, typer.Option("--contrasted", help="--aligned by activity on both kinds of text, not nearness.")
    ] = False,
    embedder: Annotated[
        str,
        typer.Option(
            help="Of sentences, for --aligned, topic_alignment and words: minilm, hashed_words, or a folder."
        ),
    ] = "minilm",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Keep the scores of --aligned in this folder.")
    ] = None,
    level: Annotated[str, typer.Option(help="text: compare whole texts; token: compare tokens.")] = "text",
    top: Annotated[int, typer.Option(min=1, help="How many latents to show.")] = 20,
    evidence: Annotated[int, typer.Option(min=0, help="For how many of them to show contexts.")] = 5,
    save: Annotated[Path | None, typer.Option(help="Write the whole ranking to this Parquet file.")] = None,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Rank the latents of an SAE by how well they tell a concept.

    With --by output_score, combined or lift: by how well they bring it about.

    Example: saesteer find world/wedding --sae world/layers.3 --top 10

    Example: saesteer find world/wedding --by lift

    Example: saesteer find --positive wedding.txt --negative other.txt --level token --json

    Example: saesteer find "baking bread" --explained interpretation

    Example: saesteer find --aligned topic.csv --d-ref prompts.csv --sae world/layers.3 --out scores
    """
    ways = (positive, negative, words, texts, save, aligned, d_ref, out)
    if explained is not None or are_words(concept, any(each is not None for each in ways)):
        _only_explained(*ways, contrasted or None)
        find_explained(explained or HOME, concept, embedder, top, json)
        return
    if aligned is not None:
        from saesteer.cli.aligned import Asked, find_aligned

        _only_aligned(concept, positive, negative, words, texts, save)
        asked = Asked(model, sae, at, aligned, d_ref, contrasted, embedder, out, device, dtype)
        find_aligned(asked, top, json)
        return
    if d_ref is not None or out is not None or contrasted:
        raise InputError("--d-ref, --out and --contrasted are for --aligned; give it, or leave them out")
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.cli.terminal import print_json, print_table, progress

    if save is not None:
        options.check_output(save, ".parquet")
    _check_by(by, level)
    contrast = _contrast(concept, positive, negative, words, texts, model)
    with progress(3) as bar:
        bar.step(f"loading {model}")
        lm = open_model(model, device, dtype)
        bar.step(f"loading {sae}")
        found = open_sae(sae, device)
        bar.step(f"reading {len(contrast.positive) + len(contrast.negative)} texts")
        ranking, shown = _ranked(lm, found, contrast, at, by, level, top, evidence, embedder)
    if save is not None:
        ranking.save(save)
    if json:
        print_json(_record(ranking, shown, model, sae, top) | {"saved": save})
        return
    print_table(*_page(ranking, shown, top, len(contrast.positive)))
    if save is not None:
        print_table(f"saved: {save}")


def _check_by(by: str, level: str) -> None:
    if by == "contrast":
        return
    from saesteer.concepts import CHOOSERS

    if by not in CHOOSERS:
        raise UnknownName.of("chooser", by, CHOOSERS.names())
    if level != "text":
        raise InputError(f"--level is of --by contrast, got {level!r} with --by {by}; leave it out")


def _ranked(
    lm: LanguageModel,
    sae: SAE,
    contrast: Concept,
    at: str | None,
    by: str,
    level: str,
    top: int,
    evidence: int,
    embedder: str,
) -> tuple[Ranking | Shortlist, Sequence[Evidence]]:
    """The latents, and what to look at of the first of them."""
    from saesteer.concepts import CHOOSERS, evidence_of, rank_latents
    from saesteer.latents import capture

    if by == "contrast":
        ranking = rank_latents(lm, sae, contrast, at=at, level=level, evidence=evidence)  # type: ignore[arg-type]
        return ranking, ranking.evidence[:top]
    more = {"embedder": embedder} if by == "topic_alignment" else {}
    found = CHOOSERS.get(by)(lm, sae, contrast, at, top, **more)
    if not evidence:
        return found, ()
    rows = capture(lm, (*contrast.positive, *contrast.negative), sae, at)
    return found, [evidence_of(lm, sae, rows, each) for each in found.latents[:evidence]]


def _only_explained(*others: object) -> None:
    if any(each is not None for each in others):
        raise InputError(
            "--explained stands alone with words: leave out texts, --words, --save and --aligned"
        )


def _only_aligned(*others: object) -> None:
    if any(each is not None for each in others):
        raise InputError("--aligned stands alone: leave out the concept, other texts, --words and --save")


def _page(
    ranking: Ranking | Shortlist, evidence: Sequence[Evidence], top: int, n_positive: int
) -> list[RenderableType]:
    """The table of numbers, then the evidence, which needs the whole width."""
    from saesteer.cli.drawing import short_evidence
    from saesteer.concepts import Ranking

    table = (replace(ranking, evidence=()) if isinstance(ranking, Ranking) else ranking).table(top)
    parts: list[RenderableType] = [table]
    return parts + [part for each in evidence for part in short_evidence(each, n_positive)]


def _contrast(
    concept: str | None,
    positive: Path | None,
    negative: Path | None,
    words: str | None,
    texts: Path | None,
    model: str,
) -> Concept:
    """The concept that the options mean; exactly one way of three."""
    from saesteer.cli.inputs import read_lines, texts_for
    from saesteer.text import Concept, load_concept

    by_files = positive is not None or negative is not None
    if (concept is not None) + by_files + (words is not None) != 1:
        raise InputError("give a concept, --positive with --negative, or --words: exactly one of the three")
    if texts is not None and words is None:
        raise InputError("--texts is where --words looks; give --words, or --positive and --negative")
    if concept is not None:
        return load_concept(concept)
    if words is not None:
        from saesteer.concepts import by_words

        return by_words(words.split(","), texts_for(model, texts, _STORIES))
    if positive is None or negative is None:
        raise InputError("--positive and --negative go together; give both files")
    sides = [tuple(read_lines(each)) for each in (positive, negative)]
    return Concept(positive.stem or "texts", "", sides[0], sides[1])


def _record(
    ranking: Ranking | Shortlist, shown: Sequence[Evidence], model: str, sae: str, top: int
) -> dict[str, Any]:
    evidence = {each.latent: asdict(each) for each in shown}
    latents = [asdict(row) | {"evidence": evidence.get(row.latent)} for row in ranking.rows[:top]]
    return {
        "model": model,
        "sae": sae,
        "summary": ranking.summary,
        "notes": ranking.notes,
        "provenance": ranking.provenance,
        "latents": latents,
    }
