"""`saesteer show`: what an SAE is, or one of its latents: contexts, histogram, what it promotes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saesteer.cli import options
from saesteer.cli.words import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from saesteer.concepts import Evidence
    from saesteer.latents import LatentSummary

_TOKENS = 10  # promoted and suppressed ones


def show(
    sae: Annotated[str, typer.Argument(help=options.SOURCE)],
    latent: Annotated[
        int | None, typer.Argument(min=0, help="The latent's number; without it: what the SAE is.")
    ] = None,
    model: options.Model = options.MODEL,
    at: options.At = None,
    texts: Annotated[
        Path | None, typer.Option(help="Texts to look in; default for the model world: its own stories.")
    ] = None,
    stories: Annotated[
        int, typer.Option(min=1, help="How many stories of the world, without --texts.")
    ] = 300,
    contexts: Annotated[int, typer.Option(min=1, help="How many contexts to show.")] = 10,
    bins: Annotated[int, typer.Option(min=1, max=60, help="Bars of the histogram.")] = 12,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Show what an SAE is, or a latent: contexts, histogram, tokens.

    Example: saesteer show world/layers.3

    Example: saesteer show world/layers.3 123

    Example: saesteer show ./my-sae 123 --model ./my-model --texts stories.txt --json
    """
    if latent is None:
        _checkpoint(sae, json)
        return
    from saesteer.cli.inputs import open_model, open_sae, texts_for
    from saesteer.cli.terminal import print_json, print_table, progress

    read = list(texts_for(model, texts, stories))
    with progress(3) as bar:
        bar.step(f"loading {model}")
        lm = open_model(model, device, dtype)
        bar.step(f"loading {sae}")
        found = open_sae(sae, device)
        found.direction(latent)  # refuses a number that there is not, before the texts are read
        bar.step(f"reading {len(read)} texts")
        from saesteer.concepts import evidence_of
        from saesteer.latents import capture, summarise

        rows = capture(lm, bar.track("texts", read, len(read)), found, at)
        evidence = evidence_of(lm, found, rows, latent, max(contexts, _TOKENS))
        evidence = replace(evidence, contexts=evidence.contexts[:contexts])
        summary = summarise(rows, latent, bins)
    if json:
        about = {"sae": sae, "model": model, "hookpoint": rows.hookpoint, "texts": len(read)}
        print_json(about | {"summary": asdict(summary)} | asdict(evidence))
        return
    print_table(*page(f"Latent {latent} of {sae} at {rows.hookpoint}", summary, evidence, len(read)))


def _checkpoint(name: str, json: bool) -> None:
    """What the SAE's files are; no model is loaded."""
    from saesteer.cli.checkpoints import described, lines
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.saes import recognise
    from saesteer.saes.loading import read

    which = recognise(name)
    sae = read(which)
    if json:
        print_json(described(which, sae))
    else:
        print_table(*lines(which, sae))


def page(title: str, summary: LatentSummary, evidence: Evidence, n_texts: int) -> list[RenderableType]:
    """The whole answer, part by part."""
    from rich.text import Text

    from saesteer.cli.drawing import bars, effects
    from saesteer.cli.drawing import contexts as lines

    numbers = (
        f"active at {summary.density:.3%} of {summary.tokens:,} tokens, in "
        f"{summary.documents} of {n_texts} texts; "
        f"largest {summary.max:.3g}, mean where active {summary.mean:.3g}"
    )
    parts: list[RenderableType] = [Text(visible(title), style="bold"), Text(numbers), Text()]
    if not evidence.contexts:
        parts.append(Text("Silent in these texts; give others with --texts."))
    else:
        parts += [Text("Activations", style="bold"), bars(summary.histogram), Text()]
        parts += [Text("Strongest contexts", style="bold"), lines(evidence.contexts), Text()]
    if evidence.promoted:
        parts.append(effects(evidence.promoted, evidence.suppressed))
    return parts
