"""Latents drawn for a terminal: contexts with shaded tokens, a histogram of bars, tokens up and down.

Knows records of what a latent does. Every text is made harmless, so a token cannot colour the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from saesteer.cli.words import shown_token, visible

if TYPE_CHECKING:
    from saesteer.concepts import Evidence
    from saesteer.latents import Context, Histogram, TokenEffect

_BAR: Final = 40  # letters of the longest bar
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_SHADES: Final = ("", "on #3a2d00", "on #6b5200", "on #a87f00", "bold black on #ffc400")  # by activation


def bars(histogram: Histogram) -> Table:
    """Counts as bars; their length is linear, and a count of one still shows."""
    table = plain_table("right", "left", "right")
    most = max(histogram.counts, default=1)
    for count, low, high in zip(histogram.counts, histogram.edges, histogram.edges[1:], strict=False):
        eighths = max(round(8 * _BAR * count / most), int(count > 0))
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8]
        table.add_row(f"{low:.3g} to {high:.3g}", bar, f"{count:,}")
    return table


def contexts(found: Sequence[Context], n_positive: int | None = None) -> Table:
    """One line per context; + and - say which side its text is on, where there are sides."""
    table = plain_table("right", "left", "left")
    largest = max((each.activation for each in found), default=0.0)
    for each in found:
        side = "" if n_positive is None else "+" if each.document < n_positive else "-"
        table.add_row(f"{each.activation:.3g}", side, highlighted(each, largest))
    return table


def highlighted(context: Context, largest: float) -> Text:
    """The window, each token shaded by its activation; the peak in brackets, which a file shows too."""
    line = Text()
    for place, (token, value) in enumerate(zip(context.tokens, context.activations, strict=True)):
        text = visible(token).replace("\n", "↵").replace("\t", "⇥")
        word = text.lstrip(" ")
        line.append(text[: len(text) - len(word)] if place else "")
        line.append(f"[{word}]" if place == context.peak else word, style=_shade(value, largest))
    return line


def effects(promoted: Sequence[TokenEffect], suppressed: Sequence[TokenEffect]) -> Table:
    """Tokens that a direction makes likelier beside those that it makes unlikelier."""
    table = plain_table("left", "right", "left", "right")
    table.show_header = True
    for name, column in zip(("Promotes", "", "Suppresses", ""), table.columns, strict=True):
        column.header = Text(name, style="bold")
    for up, down in zip(promoted, suppressed, strict=True):
        cells = (shown_token(up.token), f"{up.effect:+.3f}", shown_token(down.token), f"{down.effect:+.3f}")
        table.add_row(*map(Text, cells))
    return table


def short_evidence(evidence: Evidence, n_positive: int, n: int = 3) -> list[Text | Table]:
    """A latent in a few lines: what it promotes and where it is strongest."""
    head = Text(f"\nLatent {evidence.latent}", style="bold")
    if evidence.promoted:
        promoted = ", ".join(shown_token(each.token).lstrip("·") for each in evidence.promoted[:6])
        head.append(f"  promotes {promoted}", style="not bold")
    return [head, contexts(evidence.contexts[:n], n_positive)]


def plain_table(*sides: str) -> Table:
    """Columns without lines."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for side in sides:
        table.add_column(justify=side)  # type: ignore[arg-type]
    return table


def _shade(value: float, largest: float) -> str:
    """Five steps: nothing where the latent is silent, then quarters of the largest activation."""
    if value <= 0 or largest <= 0:
        return _SHADES[0]
    return _SHADES[1 + min(int(4 * value / largest), 3)]
