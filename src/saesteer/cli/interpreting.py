"""What explain, score and interpret share: models and SAEs named, a bar of progress, the table at the end.

Knows options and results; the verbs know what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli.failures import FAILED
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from saesteer.cache import LatentCache
    from saesteer.cli.terminal import Steps
    from saesteer.examples import Explanation, Interpretation, Score
    from saesteer.pipeline.interpretation import Progress
    from saesteer.pipeline.interpretation.planning import Planned
    from saesteer.pipeline.interpretation.preparing import Tools
    from saesteer.report.score_summary import ScorerSummary

Client = Annotated[
    str | None,
    typer.Option(
        help="Who is asked: openai:NAME, openai:NAME@URL, hf:FOLDER, vllm:FOLDER, scripted:FILE or oracle; "
        "default for the model world: oracle.",
        show_default=False,
    ),
]
Answers = Annotated[
    Path | None, typer.Option(help="A folder in which answers are kept, so that none is paid for twice.")
]
Latents = Annotated[
    str,
    typer.Option(help="How many of each SAE, or all, or a list: 3,5,10-20 or layers.3/17."),
]
Preset = Annotated[str, typer.Option(help="Of examples: reference or article.")]
Examples = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the examples that differs: train=20; repeatable."),
]
Parallel = Annotated[int, typer.Option(min=1, help="Latents under way at once.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Do again what failed; what succeeded stays.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many requests would be sent, send none.")]
Saes = Annotated[
    list[str] | None,
    typer.Option("--sae", help="An SAE of the cache, SOURCE or NAME=SOURCE; repeatable.", show_default=False),
]

PARALLEL: Final = 8


def client_of(client: str | None, answers: Path | None, model: object) -> str | dict[str, Any] | None:
    """What `client_from` is given; the embedded world has an oracle of its own."""
    line = client if client is not None or model != "world" else "oracle"
    if answers is None:
        return line
    if line is None:
        raise InputError("--answers is where a client's answers are kept; give --client too")
    return {"client": line, "cache": str(answers)}


def named_saes(given: Sequence[str] | None) -> dict[str | None, str]:
    """Name in the cache -> source; None for one that is called after its hookpoint."""
    found: dict[str | None, str] = {}
    for each in given or ():
        name, equals, source = each.partition("=")
        if not equals:
            name, source = "", each
        if not source or (equals and not name) or (name or None) in found:
            raise InputError(f"--sae is SOURCE or NAME=SOURCE, each name once, got {each!r}")
        found[name or None] = source
    return found


def tools_of(
    cache: LatentCache,
    client: str | None,
    answers: Path | None,
    model: str | None,
    saes: Sequence[str] | None,
    device: str | None,
    dtype: str,
    bar: Steps,
) -> Tools:
    """What explainers and scorers are made with; a model and SAEs only where they are named."""
    from saesteer.cli.inputs import quiet
    from saesteer.pipeline.interpretation.preparing import Tools
    from saesteer.pipeline.interpretation.sources import Sources
    from saesteer.settings import load_settings

    asked = client_of(client, answers, cache.about.get("model"))
    if model is None and not saes:
        return Tools(asked)
    quiet()
    named = model if model is not None else str(cache.about.get("model"))
    opened = Sources(named, named_saes(saes), device or load_settings().device, dtype, bar.step)
    if not saes:
        return Tools(asked, opened.lm)
    return Tools(asked, opened.lm, opened.matching(cache), opened.sources())


def need_a_model(scorers: Sequence[str]) -> bool:
    """Whether one of these reads or writes with the model itself."""
    from saesteer.pipeline.interpretation.making import asked_for, needs
    from saesteer.scorers import SCORERS

    return any({"lm", "saes"} & needs(asked_for(each, "--scorer"), SCORERS) for each in scorers)


def latents_of(given: str) -> str | int:
    """A number, or a text that says which."""
    return int(given) if given.strip().isdecimal() else given.strip()


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Ctrl-C says how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            f"interrupted; what was found is kept in {folder}; the same command goes on from there"
        ) from error


def shown_progress(bar: Steps, what: str) -> Any:
    """A listener that moves the bar."""

    def tell(progress: Progress) -> None:
        label = f"{what} · {progress.line()}" if progress.line() else what
        bar.report(label, progress.latents, progress.of)

    return tell


def show_plan(plan: Planned, json: bool) -> None:
    """What a dry run found."""
    from saesteer.cli.terminal import print_json, print_table

    if json:
        print_json(
            {"latents": plan.latents, "missing": plan.missing, "requests": plan.requests, "by": plan.asks}
        )
        return
    from rich.table import Table

    table = Table("by", "requests", "prompt tokens, roughly")
    for name, asks in plan.asks.items():
        table.add_row(one_line(name), f"{asks.requests:,}", f"{asks.prompt_tokens:,}")
    print_table(
        table,
        f"{plan.requests:,} requests for {plan.missing:,} of {plan.latents:,} latents; nothing was sent",
    )


def show_results(found: Interpretation, folder: Path, report: Path | None, json: bool) -> None:
    """The table at the end; exit code 1 where latents were to be explained and none could be."""
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.report.score_summary import score_summary

    summaries = score_summary(found)
    if json:
        print_json(_record(found, summaries, folder, report))
    else:
        print_table(*_page(found, summaries, folder, report))
    if found.explanations and all(each.failure for each in found.explanations):
        raise typer.Exit(FAILED)


def _record(
    found: Interpretation, summaries: Sequence[ScorerSummary], folder: Path, report: Path | None
) -> dict[str, Any]:
    from saesteer.llms.client import total

    return {
        "out": folder,
        "report": report,
        "explained": sum(each.text is not None for each in found.explanations),
        "explanations": len(found.explanations),
        "failures": _failures(found),
        "scorers": [
            {
                "scorer": each.label,
                "explainer": each.explainer,
                "headline": each.headline,
                "latents": each.latents,
                "without": each.without,
                "median": each.median,
                "mean": each.mean,
                "answers": each.answers,
                "unread": each.unread,
                "usage": each.usage,
            }
            for each in summaries
        ],
        "usage": total([each.usage for each in _all(found)]),
    }


def _page(
    found: Interpretation, summaries: Sequence[ScorerSummary], folder: Path, report: Path | None
) -> list[RenderableType]:
    from rich.table import Table

    from saesteer.llms.client import total

    explained = sum(each.text is not None for each in found.explanations)
    parts: list[RenderableType] = [f"{explained:,} of {len(found.explanations):,} latents explained"]
    if summaries:
        table = Table("scorer", "figure", "latents", "median", "mean", "without", "unread")
        for each in summaries:
            mean = "" if each.mean is None else f"{each.mean.estimate:.3f}"
            if each.mean is not None and each.latents > 1:
                mean += f" [{each.mean.low:.3f}, {each.mean.high:.3f}]"
            median = "" if each.median is None else f"{each.median:.3f}"
            cells = (each.label, each.headline, f"{each.latents:,}", median, mean)
            table.add_row(*map(one_line, cells), f"{each.without:,}", f"{each.unread:,}")
        parts.append(table)
    usage = total([each.usage for each in _all(found)])
    if usage.requests:
        parts.append(_spent(usage))
    if failures := _failures(found):
        said = ", ".join(f"{kind} {count:,}" for kind, count in failures.items())
        parts.append(f"failures: {one_line(said)} (--retry-failed does them again)")
    parts.append(f"kept: {folder}")
    if report is not None:
        parts.append(f"report: {report}")
    return parts


def _spent(usage: Any) -> str:
    tokens = f"{usage.prompt_tokens:,} tokens asked, {usage.completion_tokens:,} answered"
    cost = "" if usage.cost is None else f", cost {usage.cost:.4f}"
    cached = f" ({usage.cached:,} from the disk)" if usage.cached else ""
    return f"{usage.requests:,} requests{cached}, {tokens}{cost}"


def _failures(found: Interpretation) -> Mapping[str, int]:
    """Kind -> count, the commonest first."""
    from collections import Counter

    kinds = Counter(each.failure.kind for each in found.explanations if each.failure)
    kinds.update(failure.kind for each in found.scores for failure in each.failures)
    return dict(sorted(kinds.items(), key=lambda each: (-each[1], each[0])))


def _all(found: Interpretation) -> list[Explanation | Score]:
    return [*found.explanations, *found.scores]
