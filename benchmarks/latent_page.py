"""Seconds until the page of a latent is there, from a cache of 4 million tokens on disk.

    PYTHONPATH=src python benchmarks/latent_page.py [--cache FOLDER] [--cold] [--json FILE]

The cache is made up (see example_records.py): rows of 256 tokens, width 16,384, k 32, latent 0 at 24 % of
the tokens; written once below --cache, and found there again. The page holds contexts, histogram and promoted
tokens, of a random decoder over a vocabulary of 50,000 and a stream of 512, and is written to a file. Latents
of four densities, --each of them, on one thread:

    fresh   a new process for each: nothing has been read, no block of a file checked, no template compiled;
            what comes before the page (imports, opening the cache) is told beside
    warm    one process for all, which has written another latent's page before; the latent is new to it

--cold: the files of the cache are dropped from the system's memory before each process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from example_records import ROW, VOCABULARY, made_up

NUMBERS = {"tokens": 4_000_000, "width": 16_384, "k": 32, "stream": 512, "each": 5}
DENSE = 0.24


def stored(a: argparse.Namespace, root: Path) -> Path:
    """The folder of the cache, as saesteer itself would have written it."""
    from saesteer.runs import run_stage

    config = {name: getattr(a, name) for name in ("tokens", "width", "k")} | {"dense": DENSE}
    return run_stage(root, "cache", lambda folder: _write(a, folder), inputs={}, config=config, verify=False)


def _write(a: argparse.Namespace, folder: Path) -> None:
    from saesteer.cache.npy import write_array
    from saesteer.cache.statistics import Sums, sums_of
    from saesteer.runs import write_json

    cache = made_up(a.tokens, a.width, a.k, dense=-np.log1p(-DENSE))  # drawn with repeats
    (table,), tokens = cache.tables.values(), cache.tokens
    sums = Sums.join(list(sums_of(table.indptr, (table.tokens // ROW).astype(np.int32), table.values)))
    arrays = {"tokens/ids": tokens.ids.astype(np.uint16)}
    arrays |= {f"tokens/{name}": getattr(tokens, name) for name in ("starts", "documents", "offsets")}
    arrays |= {f"saes/0/{name}": getattr(table, name) for name in ("indptr", "tokens", "values")}
    arrays |= {f"saes/0/{name}": array for name, array in vars(sums).items()}
    files = {
        f"{name}.npy": asdict(write_array(folder / f"{name}.npy", each)) for name, each in arrays.items()
    }
    sae = {"name": table.name, "hookpoint": table.hookpoint, "part": "0", "about": {}}
    write_json(folder / "strings.json", list(cache.strings))
    write_json(
        folder / "cache.json",
        {"about": {}, "content": table.statistics.tokens, "special_ids": [0], "saes": [sae], "files": files},
    )


def chosen(count: np.ndarray, each: int) -> dict[str, list[int]]:
    """Latents by how often they fire; latent 0 is the dense one, and each time the same."""
    order = 1 + np.argsort(count[1:])
    order = order[count[order] >= 50]
    places = {"of the densest hundredth": 0.995, "the median": 0.5, "of the rarest hundredth": 0.005}
    found = {"at 24 % of the tokens": [0] * each}
    for what, share in places.items():
        first = int(share * len(order)) - each // 2
        found[what] = order[max(0, first) : max(0, first) + each].tolist()
    return found


def pages(a: argparse.Namespace) -> dict[str, Any]:
    """In this process: what comes before, then each page that was asked for, in turn."""
    began = time.perf_counter()
    import torch

    from saesteer.cache import open_cache
    from saesteer.examples import LatentId
    from saesteer.report import LatentPages

    imports = time.perf_counter() - began
    torch.set_num_threads(1)
    effect = _effects(a)
    began = time.perf_counter()
    cache = open_cache(a.folder)
    opening = time.perf_counter() - began
    (name,) = cache.names
    found = []
    with tempfile.TemporaryDirectory() as out:
        writer = LatentPages(cache, effect=lambda latent: effect(latent).effect)
        for number, latent in enumerate(map(int, a.pages.split(","))):
            path = Path(out) / f"{number}.html"
            wall, processor = time.perf_counter(), time.process_time()
            writer.write(LatentId(name, latent), path)
            times = time.perf_counter() - wall, time.process_time() - processor
            found.append(
                {"latent": latent, "wall": times[0], "processor": times[1], "bytes": path.stat().st_size}
            )
    return {"imports": imports, "opening": opening, "pages": found}


def _effects(a: argparse.Namespace) -> Callable[..., Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from examples import tokenizer_of
    from saesteer.model import LanguageModel
    from saesteer.report.decoder_effects import decoder_effects
    from saesteer.saes import SAEConfig, TopKSAE

    torch.manual_seed(0)
    shape = {
        "hidden_size": a.stream,
        "num_hidden_layers": 1,
        "num_attention_heads": 8,
        "vocab_size": VOCABULARY,
    }
    hf = LlamaForCausalLM(LlamaConfig(intermediate_size=a.stream, **shape))
    rows = torch.randn(a.width, a.stream)
    tensors = {"W_enc": rows.T.contiguous(), "W_dec": rows, "b_enc": torch.zeros(a.width)}
    sae = TopKSAE(SAEConfig("topk", a.stream, a.width, k=a.k), tensors | {"b_dec": torch.zeros(a.stream)})
    lm = LanguageModel(hf, tokenizer_of(VOCABULARY), name="benchmark")
    return decoder_effects(lm, {"made up": sae})


def _in_a_process(a: argparse.Namespace, folder: Path, latents: list[int]) -> dict[str, Any]:
    if a.cold:
        _drop(folder)
    numbers = [part for name in NUMBERS for part in (f"--{name}", str(getattr(a, name)))]
    asked = ["--folder", str(folder), "--pages", ",".join(map(str, latents))]
    said = subprocess.run(
        [sys.executable, __file__, *numbers, *asked], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def _drop(folder: Path) -> None:
    """The system may forget what it holds of these files; they are not changed."""
    os.sync()
    for path in folder.rglob("*.*"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(a: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from saesteer.cache import open_cache

    cache = open_cache(folder)
    (name,) = cache.names
    count = np.asarray(cache[name].statistics.count)
    groups, runs, rows = chosen(count, a.each), [], []
    other = int(np.argsort(count)[-2])  # its page is written first, in a process that is to be warm
    for what, latents in groups.items():
        fresh = [_in_a_process(a, folder, [each]) for each in latents]
        runs += fresh
        together = latents if len(set(latents)) > 1 else latents[:1]
        warm = _in_a_process(a, folder, [other, *together])["pages"][1:]
        for state, found in (("fresh", [each["pages"][0] for each in fresh]), ("warm", warm)):
            rows.append({"what": what, "state": state, "latents": len(found), **_figures(found)})
            rows[-1]["entries"] = int(median(count[each] for each in latents))
    before = {key: median(each[key] for each in runs) for key in ("imports", "opening")}
    return {"rows": rows, "before": before, "entries": int(cache[name].indptr[-1])}


def _figures(found: list[dict[str, float]]) -> dict[str, float]:
    sides = ("wall", "processor")
    return {side: median(each[side] for each in found) for side in sides} | {
        f"worst {side}": max(each[side] for each in found) for side in sides
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cache", type=Path, help="where the cache is kept; default: nowhere")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pages", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.pages:
        print(json.dumps(pages(a)))
        return
    with tempfile.TemporaryDirectory() as somewhere:
        found = measure(a, stored(a, a.cache or Path(somewhere)))
    before = found["before"]
    print(f"{found['entries'] / 1e6:.1f} million entries; seconds of wall and processor, median and worst")
    for row in found["rows"]:
        times = "  ".join(f"{row[side]:.3f} {row[f'worst {side}']:.3f}" for side in ("wall", "processor"))
        print(f"{row['state']:6} {row['what']:26} {row['entries']:>9,} entries  {times}")
    print(f"before, in a new process: imports {before['imports']:.2f}, opening {before['opening']:.3f}")
    if a.json:
        config = {name: getattr(a, name) for name in NUMBERS} | {"cold": a.cold, "dense": DENSE}
        a.json.write_text(json.dumps({"config": config, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
