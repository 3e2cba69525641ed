"""`saesteer detect`: scores of a concept's latent over texts, with a calibrated threshold."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.cli.terminal import Steps
    from saesteer.concepts import Detector
    from saesteer.model import LanguageModel
    from saesteer.pipeline.detecting import DetectionRun
    from saesteer.saes import SAE
    from saesteer.text import Document

_READING: Final = ("score", "combine", "pool")
_GOAL: Final = "f1"
_SAME: Final = "Half of these texts chose the threshold: what holds for others is said by the held-out texts."
_EXCERPT: Final = 60  # letters around the strongest token


@dataclass(frozen=True)
class Wanted:
    """What the options ask for, before anything is loaded."""

    latents: tuple[int, ...]
    concept: str | None
    file: Path | None
    calibrate: str | None
    goal: str | None
    threshold: float | None
    reading: dict[str, str]
    at: str | None
    positive: tuple[str, ...]
    grade: str
    text: str
    label: str

    def documents(self, source: str) -> Iterator[Document]:
        """The texts of a source."""
        from saesteer.text import read_texts

        return read_texts(source, text=self.text, label=self.label)


def detect(
    texts: Annotated[
        str,
        typer.Argument(
            help="Texts: .txt, .jsonl, .json, .csv, .parquet, hf:NAME, or a data set as aegis:FILE.",
            show_default=False,
        ),
    ],
    model: options.Model = options.MODEL,
    sae: Annotated[
        str | None,
        typer.Option("--sae", help=options.SOURCE + " Default: the detector's, else world/layers.3."),
    ] = None,
    latent: Annotated[
        list[int] | None, typer.Option("--latent", "-l", min=0, help="The latent; repeatable.")
    ] = None,
    concept: Annotated[
        str | None,
        typer.Option("--concept", "-c", help="One the SAE was conditioned on, or world/insults, or a file."),
    ] = None,
    detector: Annotated[Path | None, typer.Option(help="A detector that was written before.")] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(help="Labelled texts for the threshold; default: texts of the concept kept aside."),
    ] = None,
    goal: Annotated[
        str | None, typer.Option(help="Of the threshold: f1 (default), fpr=0.05, or quantile=0.95.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(callback=options.finite, help="Found is what scores above this.")
    ] = None,
    score: Annotated[str | None, typer.Option(help="h: latents (default); z: pre-activations.")] = None,
    pool: Annotated[str | None, typer.Option(help="A text's score: max (default), mean or last.")] = None,
    combine: Annotated[str | None, typer.Option(help="Of several latents: max (default) or sum.")] = None,
    at: options.At = None,
    positive: Annotated[
        list[str] | None, typer.Option(help="A label that counts as the concept; repeatable.")
    ] = None,
    grade: Annotated[str, typer.Option(help="The column with labels by degrees.")] = "grade",
    text_column: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    label_column: Annotated[str, typer.Option(help="The column with the label.")] = "label",
    top: Annotated[int, typer.Option(min=1, help="How many texts to print.")] = 10,
    shown: Annotated[int, typer.Option(min=1, help="How many texts the page shows.")] = 100,
    order: Annotated[str, typer.Option(help="score: highest first; text: as they come.")] = "score",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for the tables, the page and the detector.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Tables as CSV, not JSONL and Parquet.")] = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Score texts by a concept's latent, with a calibrated threshold.

    Example: saesteer detect stories.txt --concept world/insults --out found

    Example: saesteer detect real_toxicity_prompts:rtp.jsonl --sae ./scar --latent 0 --calibrate dev.jsonl

    Example: saesteer detect other.txt --detector found/detector.yaml --json
    """
    reading = {"score": score, "combine": combine, "pool": pool}
    wanted = Wanted(
        tuple(latent or ()), concept, detector, calibrate, goal, threshold,
        {name: value for name, value in reading.items() if value is not None}, at, tuple(positive or ()),
        grade, text_column, label_column,
    )  # fmt: skip
    _check(wanted, order, out)
    given = _given(wanted, sae)
    with _progress() as bar:
        total = _count(wanted, texts)
        lm, found = _load(bar, model, sae, given, device, dtype)
        ready = _ready(bar, lm, found, given, wanted, texts, sae)
        from saesteer.pipeline.detecting import run_detection

        documents = bar.track("scoring texts", wanted.documents(texts), total)
        run = run_detection(
            lm, found, ready, documents, out, as_csv=csv, shown=max(shown, top), order=order,  # type: ignore[arg-type]
            positive=wanted.positive, grade=grade, command=shlex.join(["saesteer", *sys.argv[1:]]),
            notes=_notes(wanted, texts),
        )  # fmt: skip
    _show(run, top, json, _notes(wanted, texts))


def _check(wanted: Wanted, order: str, out: Path | None) -> None:
    """Options that contradict each other, before minutes of work."""
    if bool(wanted.latents) + (wanted.concept is not None) + (wanted.file is not None) != 1:
        raise InputError("give --latent, --concept or --detector: exactly one of the three")
    if order not in ("score", "text"):
        raise InputError(f"--order is score or text, got {order!r}")
    if wanted.threshold is not None and (wanted.calibrate is not None or wanted.goal is not None):
        raise InputError("--threshold is the threshold, so --calibrate and --goal have no place")
    if wanted.file is not None and (wanted.reading or wanted.at):
        names = [*wanted.reading, *(["at"] if wanted.at else [])]
        raise InputError(f"the detector says how texts are scored; leave out --{names[0]}")
    from saesteer.concepts.thresholds import Goal

    Goal.parse(wanted.goal or _GOAL)
    if out is not None:
        options.check_output(out / "page.html")


def _given(wanted: Wanted, sae: str | None) -> Detector | None:
    """The detector of a file, which is read before anything else is."""
    if wanted.file is None:
        return None
    from saesteer.concepts.detector import Detector

    found = Detector.load(wanted.file)
    if sae is None and not found.sae:
        raise InputError(f"{wanted.file} does not say which SAE it is of; give --sae")
    return found


def _count(wanted: Wanted, texts: str) -> int | None:
    """How many texts there are, which also finds what is wrong with the file; None for the hub's."""
    return None if "hf:" in texts else sum(1 for _ in wanted.documents(texts))


def _load(
    bar: Steps, model: str, sae: str | None, given: Detector | None, device: str | None, dtype: str
) -> tuple[LanguageModel, SAE]:
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.saes import load_sae
    from saesteer.settings import load_settings

    bar.step(f"loading {model}")
    lm = open_model(model, device, dtype)
    if sae is None and given is not None:  # a name out of a file is never downloaded
        bar.step(f"loading {given.sae}")
        return lm, load_sae(given.sae, device=device or load_settings().device, download=False)
    bar.step(f"loading {sae or options.SAE}")
    return lm, open_sae(sae or options.SAE, device)


def _ready(
    bar: Steps,
    lm: LanguageModel,
    sae: SAE,
    given: Detector | None,
    wanted: Wanted,
    texts: str,
    name: str | None,
) -> Detector:
    """The detector with its threshold, if there is a way to have one."""
    from saesteer.concepts import calibrate
    from saesteer.pipeline.detecting import with_quantile

    aside: Iterable[Document] = ()
    if given is not None:
        detector = given
    else:
        detector, aside = _made(bar, lm, sae, wanted, name or options.SAE)
    from saesteer.concepts.detection import check_detector

    check_detector(lm, sae, detector)
    if wanted.threshold is not None:
        return replace(detector, threshold=wanted.threshold, goal="given", figures=None)
    if wanted.calibrate is None and (wanted.goal or "").startswith("quantile"):
        bar.step("scoring texts for the quantile")
        return with_quantile(lm, sae, detector, wanted.documents(texts), str(wanted.goal))
    if wanted.calibrate is None and not aside:
        if wanted.goal is not None:
            raise InputError(f"--goal {wanted.goal} needs labelled texts; give --calibrate LABELLED")
        return detector
    bar.step("calibrating")
    goal = wanted.goal or _GOAL
    if wanted.calibrate is None:
        return calibrate(lm, sae, detector, aside, goal=goal)
    labelled = wanted.documents(wanted.calibrate)
    return calibrate(lm, sae, detector, labelled, goal=goal, positive=wanted.positive, grade=wanted.grade)


def _made(
    bar: Steps, lm: LanguageModel, sae: SAE, wanted: Wanted, name: str
) -> tuple[Detector, tuple[Document, ...]]:
    """A detector without a threshold, and texts of its concept that had no say."""
    from saesteer.cli.inputs import absolute
    from saesteer.concepts import Choice, Detector, choose_latents
    from saesteer.latents import hookpoint_of

    hookpoint = hookpoint_of(lm, sae, wanted.at)
    choice = Choice(wanted.latents, "", "given by number")
    if wanted.concept is not None:
        bar.step(f"choosing a latent for {wanted.concept}")
        choice = choose_latents(lm, sae, wanted.concept, wanted.at)
    detector = Detector(
        latents=choice.latents, hookpoint=hookpoint, concept=choice.concept, reason=choice.reason,
        sae=absolute(name), sae_fingerprint=sae.fingerprint(),
        model=lm.name, model_fingerprint=lm.fingerprint(),
        **wanted.reading,  # type: ignore[arg-type]
    )  # fmt: skip
    return detector, choice.aside


def _progress() -> Any:
    from saesteer.cli.terminal import progress

    return progress()


def _notes(wanted: Wanted, texts: str) -> tuple[str, ...]:
    return (_SAME,) if wanted.calibrate == texts else ()


def _show(run: DetectionRun, top: int, json: bool, notes: tuple[str, ...]) -> None:
    from saesteer.cli.terminal import print_json, print_table

    if json:
        print_json(_record(run, top) | {"notes": notes})
        return
    from saesteer.report.detection import sentences_of

    print_table(*sentences_of(run.detector, run.summary), "", _table(run, top))
    for name, figures in (("held-out texts", run.detector.figures), ("these texts", run.figures)):
        if figures is not None:
            print_table(f"On {name}, {figures.positives} positive and {figures.negatives} negative:")
            print_table(*(f"  {line}" for line in figures.lines()))
    print_table(*notes)
    if run.detector.threshold is None:
        print_table("No threshold: give --calibrate LABELLED, --threshold T or --goal quantile=0.95.")
    for each in run.files:
        print_table(f"written: {each}")


def _table(run: DetectionRun, top: int) -> Table:
    """One line per text, within 80 columns."""
    from rich.table import Table
    from rich.text import Text

    from saesteer.cli.words import one_line
    from saesteer.pipeline.detection_files import peak_of

    labelled = any(each.positive is not None for each in run.rows)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = ["text", "score", *(["found"] if run.detector.threshold is not None else [])]
    for name in [*names, "label"] if labelled else names:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("strongest token in its place", no_wrap=True, overflow="ellipsis")
    for each in run.rows[:top]:
        cells = [f"{each.number}", f"{each.detection.score:.3g}"]
        if run.detector.threshold is not None:
            cells.append("yes" if each.detection.found else "no")
        if labelled:
            cells.append("" if each.positive is None else "+" if each.positive else "-")
        tokens, peak = each.detection.tokens, peak_of(each.detection)
        before, after = one_line("".join(tokens[:peak])), one_line("".join(tokens[peak + 1 :]))
        word = one_line(tokens[peak]) or "∅"
        table.add_row(*map(Text, cells), Text(f"{before[-24:]} [{word}] {after[:_EXCERPT]}".strip()))
    return table


def _record(run: DetectionRun, top: int) -> dict[str, Any]:
    from saesteer.pipeline.detection_files import text_row

    rows = [
        text_row(each.number, each.detection) | {"positive": each.positive, "grade": each.grade}
        for each in run.rows[:top]
    ]
    return {
        "detector": asdict(run.detector),
        "summary": run.summary,
        "figures": None if run.figures is None else asdict(run.figures),
        "texts": rows,
        "files": run.files,
    }
