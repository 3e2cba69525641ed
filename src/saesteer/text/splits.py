"""Splits of documents into parts, as train and test. Knows a text's hash, so equal texts stay together.

Never by token: a text is on one side whole. The part of a text depends on its words and the seed alone, not
on the order or on the other texts, unless the split is stratified.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from saesteer.errors import InputError
from saesteer.text.document import Document

Key = Callable[[Document], str]
"""What stays together."""
_SLACK: Final = 1e-9


def words(document: Document) -> str:
    """The text without its line breaks and runs of spaces: copies that differ in these alone are one text."""
    return " ".join(document.text.split())


def together(document: Document) -> str:
    """Both texts of a pair where the source says which (meta["pair"]), else the words."""
    pair = document.meta.get("pair")
    return words(document) if pair is None else f"pair {pair}"


def parted(
    documents: Iterable[Document], shares: Mapping[str, float], seed: int = 0, key: Key = words
) -> Iterator[tuple[str, Document]]:
    """Each document as it comes, with the name of its part; `shares` add up to 1 and hold on average."""
    bounds = _bounds(shares)
    for each in documents:
        place = _place(key(each), seed)
        yield next(name for name, end in bounds if place < end), each


def split(
    documents: Iterable[Document],
    shares: Mapping[str, float],
    seed: int = 0,
    key: Key = words,
    stratified: bool = False,
) -> dict[str, tuple[Document, ...]]:
    """The documents of each part, in the order they came in.

    `stratified`, for small sets: the shares hold as exactly as can be for each label (texts that stand under
    several labels are one more kind), and each part gets a text of a kind that has enough of them.
    """
    held = list(documents)
    named = _stratified(held, shares, seed, key) if stratified else parted(held, shares, seed, key)
    found: dict[str, list[Document]] = {name: [] for name in shares}
    for name, each in named:
        found[name].append(each)
    return {name: tuple(each) for name, each in found.items()}


def _stratified(
    documents: list[Document], shares: Mapping[str, float], seed: int, key: Key
) -> Iterator[tuple[str, Document]]:
    _bounds(shares)
    labels: dict[str, set[str]] = {}
    for each in documents:
        labels.setdefault(key(each), set()).add(repr(each.label))
    kinds: dict[tuple[str, ...], list[str]] = {}
    for text in sorted(labels, key=lambda text: (_place(text, seed), text)):
        kinds.setdefault(tuple(sorted(labels[text])), []).append(text)
    part: dict[str, str] = {}
    for texts in kinds.values():
        names = (name for name, count in _counts(len(texts), shares).items() for _ in range(count))
        part |= dict(zip(texts, names, strict=True))
    return ((part[key(each)], each) for each in documents)


def _counts(n: int, shares: Mapping[str, float]) -> dict[str, int]:
    """n divided by the shares: largest remainders, then one for each part that has none if n allows."""
    counts = {name: math.floor(n * share + _SLACK) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - n * shares[name])
    for name in by_remainder[: n - sum(counts.values())]:
        counts[name] += 1
    wanting = [name for name, share in shares.items() if share > 0 and not counts[name]]
    for name in wanting if n >= sum(share > 0 for share in shares.values()) else ():
        counts[max(counts, key=lambda each: counts[each])] -= 1
        counts[name] += 1
    return counts


def _place(text: str, seed: int) -> float:
    """From 0 to 1, spread evenly."""
    data = hashlib.sha256(f"{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(data[:6], "big") / 2**48


def _bounds(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """Where each part ends between 0 and 1; the last one at infinity."""
    if not shares or any(not 0 <= share <= 1 for share in shares.values()):
        raise InputError(f"shares are numbers from 0 to 1 by name, got {dict(shares)}; mend them")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"shares add up to 1, got {sum(shares.values()):g} of {dict(shares)}; mend them")
    ends, total = [], 0.0
    for name, share in shares.items():
        total += share
        ends.append((name, total))
    last = max(i for i, share in enumerate(shares.values()) if share > 0)
    return [*ends[:last], (ends[last][0], math.inf)]
