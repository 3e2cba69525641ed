"""Caching: one pass of a model over many tokens, the latents of several SAEs, a finished folder.

Knows the doors of models and SAEs, and files. Runs of rows are spilled sorted by latent and merged at the
end; a killed cache goes on after its last whole run, and ends as the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer.cache.attempt import JOURNAL, ROWS, Attempt
from saesteer.cache.cache import LatentCache
from saesteer.cache.encoding import Found, encoded
from saesteer.cache.job import Job, Numbers, Precision, sites_of
from saesteer.cache.merge import merge_rows, merge_table
from saesteer.cache.opening import INDEX, STAGE, STRINGS, open_cache
from saesteer.cache.progress import Clock, Progress
from saesteer.cache.rows import Documents, RowGroup, Rows, rows_of
from saesteer.cache.spill import RUNS, RunFiles, spill, spill_rows
from saesteer.cache.ways import total
from saesteer.errors import InputError
from saesteer.latents.reading import token_strings
from saesteer.model import LanguageModel
from saesteer.runs import run_stage, write_json
from saesteer.saes import SAE

_GROUP: Final = 4  # microbatches whose rows are sorted by length together
_ENTRIES: Final = 1 << 24  # of a run, all SAEs together; the group that exceeds it is its last


def cache_latents(
    root: str | Path,
    lm: LanguageModel,
    saes: SAE | Mapping[str, SAE],
    documents: Documents,
    *,
    at: Mapping[str, str] | str | None = None,
    context: int = 256,
    batch_tokens: int = 8192,
    run_tokens: int = 262_144,
    latents: Mapping[str, Numbers] | Numbers | None = None,
    density: tuple[float, float] | None = None,
    min_count: int = 0,
    max_tokens: int | None = None,
    dtype: Precision = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> LatentCache:
    """The active latents of every content token of `documents`, in a finished folder of its own below `root`.

    It is reused if it is there and resumed if it was begun. `saes`: one, called after its hookpoint, or
    several by names of your choice; `at`: where they read, if not at their own hookpoints. `documents`: a
    source of read_texts, something that can be iterated again and again (with `fingerprint() -> str`, if
    reading all of it takes long), packed token ids [rows, length], or None: the model's own held-out texts,
    which the world has.

    `latents` (by the names of the SAEs), `density` (lowest and highest share of the content tokens) and
    `min_count` say which latents keep their entries; statistics are of all. `dtype` of the values: "auto" is
    float16, and float32 for an SAE with a value that float16 would turn to infinity or 0.

    Memory is bounded by `run_tokens` and the microbatch, not by the number of tokens.
    """
    job = Job.of(lm, sites_of(lm, saes, at), latents, density, min_count, batch_tokens, run_tokens, dtype)
    hookpoints = [site.hookpoint for site in job.sites]
    rows = rows_of(lm, documents, hookpoints, context, batch_tokens, max_tokens)
    folder = run_stage(
        root,
        STAGE,
        lambda partial: _work(partial, job, rows, Clock(progress, max_tokens)),
        inputs={
            "model": lm.fingerprint(),
            "documents": rows.fingerprint(),
            **{f"sae {site.name}": site.fingerprint for site in job.sites},
        },
        config=job.record() | {"context": context, "max_tokens": max_tokens},
        verify=False,  # blocks are checked when they are read
    )
    return open_cache(folder)


def _work(folder: Path, job: Job, rows: Rows, clock: Clock) -> None:
    """Read what is not read yet, merge what is not merged yet, then write the index."""
    if not (folder / INDEX).is_file():
        attempt = Attempt.load(folder, [part for part, *_ in job.parts()])
        if not attempt.read:
            _read(attempt, job, rows, clock)
        _merge(attempt, job, clock)
        write_json(folder / STRINGS, _strings(job.lm))
        write_json(folder / INDEX, _index(attempt, job, rows))
    shutil.rmtree(folder / RUNS, ignore_errors=True)
    (folder / JOURNAL).unlink(missing_ok=True)


@dataclass
class _Pending:
    """Rows that are read and not yet spilled."""

    groups: list[RowGroup] = field(default_factory=list)
    found: list[list[Found]] = field(default_factory=list)
    tokens: int = 0
    entries: int = 0

    def add(self, group: RowGroup, found: list[Found]) -> None:
        self.groups.append(group)
        self.found.append(found)
        self.tokens += len(group.ids)
        self.entries += sum(len(each.latents) for each in found)

    def take(self, site: int) -> Found:
        """What one SAE found, which is held no longer here."""
        found = Found.join([each[site] for each in self.found])
        for each in self.found:
            each[site] = each[site].nothing()
        return found


def _read(attempt: Attempt, job: Job, rows: Rows, clock: Clock) -> None:
    done = attempt.done
    clock.resume(done.tokens)
    pending = _begun(attempt, job)
    for group in rows.groups(done, min(job.run_tokens, _GROUP * job.batch_tokens)):
        pending.add(group, encoded(job.lm, group, job.sites, rows.special_ids, job.batch_tokens))
        clock.note("reading", tokens=len(group.ids))
        if pending.tokens >= job.run_tokens or pending.entries >= _ENTRIES:
            _spill(attempt, job, rows, pending, clock)
            pending = _begun(attempt, job)
    if pending.groups:
        _spill(attempt, job, rows, pending, clock)
    if not attempt.runs:
        raise InputError("there are no texts to read; give at least one")
    attempt.end()


def _begun(attempt: Attempt, job: Job) -> _Pending:
    """Nothing is read of a new run yet; SAEs go on the way of the runs before."""
    for part, site, _ in job.parts():
        site.way.begin(run["saes"][part] for run in attempt.runs)
    return _Pending()


def _spill(attempt: Attempt, job: Job, rows: Rows, pending: _Pending, clock: Clock) -> None:
    """One run, and its line in the journal when all of it is on the disk."""
    files = attempt.files(len(attempt.runs))
    last = int(pending.groups[-1].documents[-1])
    ids = np.concatenate([group.ids for group in pending.groups])
    lengths = np.concatenate([group.lengths for group in pending.groups])
    special = np.isin(ids, np.fromiter(rows.special_ids, np.int64))
    spill_rows(files, pending.groups, job.lm.vocab_size, rows.names(attempt.done.documents, last + 1))
    row = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    saes = {}
    for number, (part, site, filters) in enumerate(job.parts()):
        kept = None if filters.latents is None else filters.listed(site.sae.cfg.d_sae)
        saes[part] = spill(files, part, pending.take(number), row, site.sae.cfg.d_sae, kept)
        saes[part] |= site.way.record()
    record = {"rows": len(lengths), "tokens": len(ids), "content": int((~special).sum()), "document": last}
    attempt.add_run(record | {"saes": saes, "files": files.checksums()})
    clock.note("reading", written=files.bytes())


def _merge(attempt: Attempt, job: Job, clock: Clock) -> None:
    """Part by part; the runs of a part that is merged are deleted."""
    runs = [attempt.files(number) for number in range(len(attempt.runs))]
    if ROWS not in attempt.merged:
        attempt.add_part(ROWS, merge_rows(attempt.folder, runs, clock.merged))
    _drop(runs, ROWS)
    for part, _, filters in job.parts():
        if part not in attempt.merged:
            dtype = _precision(attempt, job, part)
            attempt.add_part(
                part, merge_table(attempt.folder, runs, part, attempt.runs, filters, dtype, clock.merged)
            )
        _drop(runs, part)


def _drop(runs: Sequence[RunFiles], part: str) -> None:
    for run in runs:
        run.drop(part)


def _precision(attempt: Attempt, job: Job, part: str) -> str:
    fits = all(run["saes"][part]["fits"] for run in attempt.runs)
    if job.dtype == "float16" and not fits:
        name = job.sites[int(part)].name
        raise InputError(
            f"float16 would turn a value of {name} to infinity or 0; give dtype 'auto' or 'float32'"
        )
    return "float16" if fits and job.dtype != "float32" else "float32"


def _strings(lm: LanguageModel) -> list[str]:
    if lm.tokenizer is None:
        return [f"[{number}]" for number in range(lm.vocab_size)]
    return list(token_strings(lm, range(lm.vocab_size)).values())


def _first_pass(attempt: Attempt, part: str) -> dict[str, Any]:
    """Tokens that went by a cheaper product first, and how many of them needed the full one after all."""
    return asdict(total([run["saes"][part].get("first_pass", {}) for run in attempt.runs]))


def _index(attempt: Attempt, job: Job, rows: Rows) -> dict[str, Any]:
    saes = []
    for part, site, filters in job.parts():
        values = attempt.merged[part][f"saes/{part}/values.npy"]
        about = site.sae.cfg.about | {
            "fingerprint": site.fingerprint,
            "filters": asdict(filters),
            "values": np.dtype(values.dtype).name,
            "switched": job.dtype == "auto" and np.dtype(values.dtype) == np.float32,
            "entries": values.shape[0],
            "first_pass": _first_pass(attempt, part),
        }
        saes.append({"name": site.name, "hookpoint": site.hookpoint, "part": part, "about": about})
    about = job.record() | {"model": job.lm.name, "model_fingerprint": job.lm.fingerprint()}
    about |= {"tokens": attempt.total("tokens"), "documents": attempt.done.documents}
    return {
        "about": about,
        "content": attempt.total("content"),
        "special_ids": sorted(rows.special_ids),
        "saes": saes,
        "files": {name: asdict(each) for part in attempt.merged.values() for name, each in part.items()},
    }
