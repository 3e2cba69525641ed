"""Time caching latents on disk beside floors written by hand and beside the published method.

    python benchmarks/caching.py [--rounds 7] [--sequences 768] [--json docs/figures/caching.json]
    python benchmarks/caching.py --memory [--sequences 4096]

A randomly initialised Llama (d 512, 8 layers, vocabulary 32,000) read at layer 4, a TopK SAE of 16,384
latents and k 32, float32. Columns, a process each, one at work at a time:

    forward_part   the model up to the hooked layer alone
    topk_chunk     and its latents, 512 tokens at a time into one piece of memory, kept in memory
    topk_csr       and grouped by latent and written in one file: the floor
    saesteer       cache_latents, with all that it checks and counts
    published      dense latents of each batch after the whole model, nonzero entries gathered in memory,
                   split by ranges of latents with a mask for each and saved: the method of the reference in
                   code of ours

first_pass_rows of saesteer: tokens whose latents were looked for by a bf16 product first, 0 where that way
was not taken; fell_back_rows: those of them that needed the full product after all.

Quote the ratio: the median over rounds of a round's time over the floor's in the same round. --memory: the
peak of anonymous memory while saesteer caches --sequences rows and four times as many, a process each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
import torch
from caching_assets import LAYER, NUMBERS, add_arguments, cached, cut, model, repeated, sae_tensors, tokens
from interleaved import BUSY, compare, table, work
from safetensors.numpy import save_file
from torch import Tensor

Job = Callable[[], dict[str, float]]
BATCH = 32
REFERENCE = "topk_csr"


def forward_part(a: argparse.Namespace, folder: Path) -> Job:
    body, ids = cut(model(a)), torch.from_numpy(tokens(a, a.sequences))

    def job() -> dict[str, float]:
        for rows in ids.split(BATCH):
            body(rows, use_cache=False)
        return {"entries": 0}

    return job


def topk_chunk(a: argparse.Namespace, folder: Path) -> Job:
    found = _by_hand(a)
    return lambda: {"entries": sum(values.numel() for _, values in found())}


def topk_csr(a: argparse.Namespace, folder: Path) -> Job:
    found = _by_hand(a)
    ids = tokens(a, a.sequences).astype(np.uint16)

    def job() -> dict[str, float]:
        indices, values = (torch.cat(each).flatten().numpy() for each in zip(*found(), strict=True))
        order = np.argsort(indices.astype(np.uint16), kind="stable")  # a radix sort, at 16 bits
        starts = np.concatenate([[0], np.bincount(indices, minlength=a.latents).cumsum()])
        arrays = {"starts": starts, "tokens": (order // a.k).astype(np.uint32)}
        arrays |= {"values": values[order].astype(np.float16), "ids": ids}
        save_file(arrays, folder / "latents.safetensors")
        return {"entries": len(order)}

    return job


def _by_hand(a: argparse.Namespace) -> Callable[[], list[tuple[Tensor, Tensor]]]:
    hf = model(a)
    t = sae_tensors(a, hf)
    bias = t["b_enc"] - t["b_dec"] @ t["W_enc"]
    body, ids, memory = cut(hf), torch.from_numpy(tokens(a, a.sequences)), torch.empty(512, a.latents)

    def found() -> list[tuple[Tensor, Tensor]]:
        parts = []
        for rows in ids.split(BATCH):
            x = body(rows, use_cache=False).last_hidden_state
            for part in x.flatten(0, 1).split(512):
                h = torch.addmm(bias, part, t["W_enc"], out=memory[: len(part)])
                values, indices = h.topk(a.k, sorted=False)
                parts.append((indices.to(torch.int32), values.relu_()))
        return parts

    return found


def saesteer(a: argparse.Namespace, folder: Path) -> Job:
    cache = cached(a, str(folder), a.sequences)

    def job() -> dict[str, float]:
        (table,) = cache().tables.values()
        way = table.about["first_pass"]
        return {
            "entries": int(table.indptr[-1]),
            "first_pass_rows": way["rows"],
            "fell_back_rows": way["fell_back"],
        }

    return job


def published(a: argparse.Namespace, folder: Path) -> Job:
    hf = model(a)
    t, body = sae_tensors(a, hf), hf.model
    ids = torch.from_numpy(tokens(a, a.sequences))
    read: list[Tensor] = []
    body.layers[LAYER].register_forward_hook(
        lambda module, inputs, output: read.append(output[0] if isinstance(output, tuple) else output)
    )

    def job() -> dict[str, float]:
        places, values = [], []
        for number, rows in enumerate(ids.split(BATCH)):
            body(rows, use_cache=False)
            h = ((read.pop() - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
            top = h.topk(a.k, sorted=False)
            dense = torch.zeros_like(h).scatter_(-1, top.indices, top.values)
            at = (dense.abs() > 1e-5).nonzero()
            values.append(dense[at.unbind(1)])
            at[:, 0] += number * BATCH
            places.append(at)
        all_places, all_values = torch.cat(places), torch.cat(values)
        edges = torch.linspace(0, a.latents, 6).long()
        for low, high in pairwise(edges.tolist()):
            mask = (all_places[:, 2] >= low) & (all_places[:, 2] < high)
            some = all_places[mask]
            some[:, 2] -= low
            arrays = {
                "locations": some.numpy().astype(np.uint16),
                "activations": all_values[mask].half().numpy(),
                "tokens": ids.numpy().astype(np.uint16),
            }
            save_file(arrays, folder / f"{low}_{high - 1}.safetensors")
        return {"entries": len(all_values)}

    return job


COLUMNS: dict[str, Callable[[argparse.Namespace, Path], Job]] = {
    "forward_part": forward_part,
    "topk_chunk": topk_chunk,
    "topk_csr": topk_csr,
    "saesteer": saesteer,
    "published": published,
}


@torch.inference_mode()
def run(a: argparse.Namespace, rounds: Iterator[bool]) -> dict[str, float]:
    """Round by round; the last item says that there are no more."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = COLUMNS[a.worker](a, folder)
        for more in rounds:
            if not more:
                break
            shutil.rmtree(folder)
            folder.mkdir()
            found |= job()
            found["MB"] = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1e6
    return found


def time_columns(a: argparse.Namespace) -> None:
    arguments = repeated(a, "sequences", "rounds")
    found = compare(__file__, a.columns.split(","), arguments, a.rounds, a.threads, a.patience)
    reference = REFERENCE if REFERENCE in found else next(iter(found))
    print(table(found, reference, a.sequences * a.context))
    if a.json:
        config = {name: getattr(a, name) for name in (*NUMBERS, "sequences", "rounds")}
        _add(a.json, "caching", {"config": config, "columns": summary(found, reference)})


def summary(found: dict, reference: str) -> dict:
    base = found[reference]["rounds"]
    columns = {}
    for name, each in found.items():
        ratios = [one["seconds"] / two["seconds"] for one, two in zip(each["rounds"], base, strict=True)]
        columns[name] = {
            "time": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "seconds": statistics.median(one["seconds"] for one in each["rounds"]),
            "noisy": sum(one["others"] > BUSY for one in each["rounds"]),
        } | {key: value for key, value in each.items() if key != "rounds"}
    return columns


def memory(a: argparse.Namespace) -> None:
    peaks = {}
    for times in (1, 4):
        arguments = [*repeated(a, "rounds"), "--sequences", str(times * a.sequences), "--peak"]
        done = subprocess.run(
            [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
        )
        peaks[times * a.sequences * a.context] = json.loads(done.stdout.splitlines()[-1])
        print(f"{times * a.sequences * a.context:,} tokens: {peaks[times * a.sequences * a.context]}")
    few, many = peaks.values()
    print(f"peak over peak {many['peak_mib'] / few['peak_mib']:.3f}")
    if a.json:
        config = {name: getattr(a, name) for name in (*NUMBERS, "sequences")}
        _add(a.json, "memory", {"config": config, "peaks": {str(key): each for key, each in peaks.items()}})


def peak(a: argparse.Namespace) -> dict[str, float]:
    """Of anonymous memory, looked at 100 times a second while saesteer caches; and before it."""
    highest, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            highest[0] = max(highest[0], _anonymous())

    with tempfile.TemporaryDirectory() as name:
        job = cached(a, name, a.sequences)
        before = _anonymous()
        watcher = threading.Thread(target=watch)
        watcher.start()
        job()
        over.set()
        watcher.join()
    return {"before_mib": before, "peak_mib": highest[0]}


def _anonymous() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def _add(path: Path, part: str, record: dict) -> None:
    """To what the file has, so that one part can be measured again."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {part: record}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, sequences=768, rounds=7)
    parser.add_argument("--columns", default=",".join(COLUMNS))
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for an idle machine")
    parser.add_argument("--memory", action="store_true", help="measure memory, not time")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    if a.worker:
        rounds = chain(repeat(True, a.rounds), [False])
        work(lambda it: run(a, it), rounds, a.rounds, 1, lambda found: found)
    elif a.peak:
        print(json.dumps(peak(a)))
    elif a.memory:
        memory(a)
    else:
        time_columns(a)


if __name__ == "__main__":
    main()
