"""Activations on disk: sharded safetensors with tokens, document ids and labels, made resumably.

Knows files and the model's door; no SAE. A shard is a fixed run of rows with microbatches of its own, so a
store that was killed and resumed is the same, bit by bit, as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saesteer.errors import CorruptFile, InputError
from saesteer.latents.labels import Labeller, Labels
from saesteer.latents.reading import SKIPPABLE, Places, Reader, grouped
from saesteer.latents.shuffle import shuffled
from saesteer.latents.stream import as_dtype, check_dtype
from saesteer.model import LanguageModel
from saesteer.runs import (
    Journal,
    Manifest,
    contained,
    read_json,
    run_stage,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_parquet,
)
from saesteer.text import Document, Row, read_texts

INDEX, JOURNAL, DOCUMENTS = "index.json", "journal.jsonl", "documents.parquet"
_PLACES = ("ids", "document", "position", "special")
_PREFIX = "at/"  # of the activations' names in a shard
_LABELS = "labels"


def store_activations(
    root: str | Path,
    lm: LanguageModel,
    documents: str | Path | Iterable[Document | str],
    at: str | Sequence[str],
    *,
    dtype: str = "float32",
    context: int | None = None,
    batch_tokens: int = 4096,
    shard_tokens: int = 65_536,
    labeller: Labeller | None = None,
    progress: Callable[[int], None] | None = None,
) -> ActivationStore:
    """A finished store in a folder of its own below `root`; reused if it is there, resumed if it was begun.

    `documents`: a source of `read_texts`, or something that can be iterated again and again. `labeller`:
    labels to be kept beside every token. `progress` is called with the tokens of each shard, those of an
    earlier attempt included.
    """
    check_dtype(dtype)
    if shard_tokens < 1:
        raise InputError(f"a shard holds one token or more, got shard_tokens {shard_tokens}")
    reader = Reader.of(lm, at, context, batch_tokens)
    again = _repeatable(documents)
    folder = run_stage(
        root,
        "activations",
        lambda partial: _work(partial, reader, again, dtype, shard_tokens, labeller, progress),
        inputs={"model": lm.fingerprint(), "documents": _digest(again()), **_labels_digest(again, labeller)},
        config={
            "arithmetic": lm.arithmetic,
            "at": reader.at,
            "dtype": dtype,
            "context": reader.context,
            "batch_tokens": batch_tokens,
            "shard_tokens": shard_tokens,
        },
        verify=False,  # each shard is checked when it is read
    )
    return ActivationStore.open(folder)


@dataclass(frozen=True, eq=False)
class StoredShard:
    """Activations of a run of tokens, in the order of the documents, and where each came from."""

    activations: dict[str, Float[Tensor, "n d"]]
    places: Places
    labels: Float[Tensor, "n concepts"] | None = None
    """From 0 to 1, NaN where unknown; None where the store was made without."""


@dataclass(frozen=True)
class ActivationStore:
    """A finished folder of activations."""

    folder: Path
    hookpoints: tuple[str, ...]
    widths: tuple[int, ...]
    """One per hookpoint."""
    dtype: str
    shards: tuple[str, ...]
    """File names, in the order of the documents."""
    tokens: int
    """All tokens, BOS included."""
    documents: int
    sha256: dict[str, str]
    """File -> hash, from the manifest."""

    @classmethod
    def open(cls, folder: str | Path) -> ActivationStore:
        """A store by its folder; shards are checked only when they are read."""
        folder = Path(folder)
        manifest, index = Manifest.load(folder), read_json(folder / INDEX)
        if manifest.stage != "activations":
            raise InputError(f"{folder} holds {manifest.stage}, not activations; check the path")
        try:
            return cls(
                folder,
                tuple(index["hookpoints"]),
                tuple(index["widths"]),
                index["dtype"],
                tuple(index["shards"]),
                index["tokens"],
                index["documents"],
                dict(manifest.outputs),
            )
        except (KeyError, TypeError) as error:
            raise CorruptFile(
                f"{folder / INDEX} is not an index of activations; make the store anew"
            ) from error

    def read(self, shard: int) -> StoredShard:
        """One shard; CorruptFile where it is not what was written."""
        name = self.shards[shard]
        path = contained(self.folder, name)
        if not path.is_file():
            raise CorruptFile(f"{path} is missing; delete the folder to make it anew")
        data = path.read_bytes()
        if sha256_bytes(data) != self.sha256.get(name):
            raise CorruptFile(f"{path} was changed since it was written; delete the folder to make it anew")
        return _loaded(data, path)

    def places(self, shard: int) -> Places:
        """Where the tokens of one shard come from, without reading its activations and checking its hash."""
        path = contained(self.folder, self.shards[shard])
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                return Places(*(file.get_tensor(name).numpy() for name in _PLACES))
        except (SafetensorError, OSError) as error:
            raise _no_shard(path, error) from error

    def __len__(self) -> int:
        return len(self.shards)

    def __iter__(self) -> Iterator[StoredShard]:
        return (self.read(shard) for shard in range(len(self)))

    def batches(
        self,
        at: str,
        batch_tokens: int = 2048,
        *,
        buffer_tokens: int = 65_536,
        seed: int = 0,
        skip: Collection[str] = SKIPPABLE,
    ) -> Iterator[Float[Tensor, "batch_tokens d"]]:
        """Shuffled batches: shards in random order, their tokens mixed in a buffer."""
        if at not in self.hookpoints:
            raise InputError(f"the store has {', '.join(self.hookpoints)}, got {at!r}; name one of these")
        order = np.random.default_rng(seed).permutation(len(self))
        shards = (self.read(int(each)) for each in order)
        kept = (each.activations[at][torch.from_numpy(each.places.without(skip))] for each in shards)
        return shuffled(kept, batch_tokens, buffer_tokens, seed)


def _work(
    folder: Path,
    reader: Reader,
    documents: Callable[[], Iterable[Document | str]],
    dtype: str,
    shard_tokens: int,
    labeller: Labeller | None,
    progress: Callable[[int], None] | None,
) -> None:
    """Write the shards that are not there yet, then the index."""
    done = _finished(folder)
    journal = Journal(folder / JOURNAL)
    labels = Labels(labeller) if labeller is not None else None
    noted = documents() if labels is None else labels.noting(documents())
    rows = islice(reader.rows(noted), done[-1]["next_row"] if done else 0, None)
    for shard in done:
        _tell(progress, shard["tokens"])
    for group in grouped(rows, shard_tokens, whole_documents=False):
        name = f"shard-{len(done):05d}.safetensors"
        data = safetensors.torch.save(_tensors(reader, group, dtype, labels))
        write_bytes(folder / name, data)
        tokens = sum(map(len, group))
        next_row = len(group) + (done[-1]["next_row"] if done else 0)
        done.append({"file": name, "sha256": sha256_bytes(data), "tokens": tokens, "next_row": next_row})
        journal.append(done[-1])
        _tell(progress, tokens)
    if not done:
        raise InputError("there are no documents to store; give at least one")
    count = _write_documents(folder / DOCUMENTS, documents())
    index = {
        "hookpoints": reader.at,
        "widths": [reader.lm.width(each) for each in reader.at],
        "dtype": dtype,
        "shards": [each["file"] for each in done],
        "tokens": sum(each["tokens"] for each in done),
        "documents": count,
    }
    write_json(folder / INDEX, index)


def _finished(folder: Path) -> list[dict[str, Any]]:
    """The shards of an earlier attempt, up to the first that is not whole."""
    said = {each["file"]: each for each in Journal(folder / JOURNAL)}
    done: list[dict[str, Any]] = []
    for name, each in sorted(said.items()):
        if name != f"shard-{len(done):05d}.safetensors" or not (folder / name).is_file():
            break
        if sha256_file(folder / name) != each["sha256"]:
            break
        done.append(each)
    return done


def _tensors(reader: Reader, group: Sequence[Row], dtype: str, labels: Labels | None) -> dict[str, Tensor]:
    blocks = list(reader.blocks(group))
    order = np.argsort(np.concatenate([block.order for block in blocks]), kind="stable")
    places = Places.join([block.places for block in blocks]).take(order)
    found = {name: torch.from_numpy(np.ascontiguousarray(getattr(places, name))) for name in _PLACES}
    for at in reader.at:
        x = torch.cat([as_dtype(block.activations.pop(at), dtype, at).cpu() for block in blocks])
        found[_PREFIX + at] = x[torch.from_numpy(order)].contiguous()
    if labels is not None:
        found[_LABELS] = torch.from_numpy(labels.of(places))
        labels.forget_before(group[-1].document[0])
    return found


def _loaded(data: bytes, path: Path) -> StoredShard:
    try:
        tensors = safetensors.torch.load(data)
        places = Places(*(tensors.pop(name).numpy() for name in _PLACES))
    except (SafetensorError, KeyError, ValueError) as error:
        raise _no_shard(path, error) from error
    labels = tensors.pop(_LABELS, None)
    return StoredShard({name.removeprefix(_PREFIX): each for name, each in tensors.items()}, places, labels)


def _no_shard(path: Path, error: Exception) -> CorruptFile:
    return CorruptFile(f"{path} is no shard of activations ({error}); make the store anew")


def _repeatable(documents: str | Path | Iterable[Document | str]) -> Callable[[], Iterable[Document | str]]:
    if isinstance(documents, str | Path):
        return lambda: read_texts(documents)
    if iter(documents) is documents:
        raise InputError(
            "documents can be read only once; give a list or a path, so that a killed run can be resumed"
        )
    return lambda: documents


def _digest(documents: Iterable[Document | str]) -> str:
    sha = sha256()
    for each in documents:
        record = [each.text, each.id, each.label] if isinstance(each, Document) else [each]
        sha.update(json.dumps(record).encode() + b"\n")
    return sha.hexdigest()


def _labels_digest(
    documents: Callable[[], Iterable[Document | str]], labeller: Labeller | None
) -> dict[str, str]:
    """What the labels of a store say, as an input of its own; nothing where it has none."""
    if labeller is None:
        return {}
    sha, labels = sha256(), Labels(labeller)
    for number, _ in enumerate(labels.noting(documents())):
        sha.update(labels.known.pop(number).tobytes() + b"\n")
    return {"labels": sha.hexdigest()}


def _write_documents(path: Path, documents: Iterable[Document | str]) -> int:
    """Number, id and label of each document."""
    rows: list[dict[str, Any]] = []
    for number, each in enumerate(documents):
        known = isinstance(each, Document)
        name, label = (each.id, each.label) if known else (str(number), None)  # type: ignore[union-attr]
        rows.append({"document": number, "id": name, "label": label})
    write_parquet(path, rows)
    return len(rows)


def _tell(progress: Callable[[int], None] | None, tokens: int) -> None:
    if progress is not None:
        progress(tokens)
