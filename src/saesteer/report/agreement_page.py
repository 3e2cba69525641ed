"""The page on how far judges agree: tables, confusions and the texts they differ on most."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

from saesteer.errors import InputError
from saesteer.evaluation import Agreement, PairAgreement
from saesteer.report.templating import environment, style
from saesteer.runs import write_text

_WORDS: Final = (
    (0.8, "almost the same"),
    (0.6, "much the same"),
    (0.4, "alike in part"),
    (0.0, "little alike"),
)


def write_agreement(found: Agreement, path: str | Path, command: str = "") -> Path:
    """Write the page to `path`, whole or not at all."""
    path = Path(path)
    if path.suffix != ".html":
        raise InputError(f"a page is one .html file, got {path}; name it agreement.html")
    write_text(path, render_agreement(found, command))
    return path


def render_agreement(found: Agreement, command: str = "") -> str:
    """The whole page as one string: no script, nothing from elsewhere."""
    cuts = [0.0, *found.thresholds, 1.0]
    levels = [f"{low:g} to {high:g}" for low, high in pairwise(cuts)]
    return environment().get_template("agreement.html").render(
        found=found, command=command, style=style("style.css"), levels=levels,
        findings=[finding(pair) for pair in found.pairs],
        alphas={name: value for name, value in found.alphas.items() if value is not None},
    )  # fmt: skip


def finding(pair: PairAgreement) -> str:
    """One pair in a sentence; the words are those of kappa's lower end."""
    head = f"{pair.figure}: {pair.one} and {pair.other}"
    if pair.kappa is None:
        return f"{head} cannot be compared on {pair.rows} rows, or one of them says the same of all."
    word = next((word for least, word in _WORDS if pair.kappa.low >= least), "no more alike than chance")
    return (
        f"{head} say {word} of {pair.rows} rows: kappa {pair.kappa.estimate:.2f}, "
        f"95 % interval {pair.kappa.low:.2f} to {pair.kappa.high:.2f}."
    )
