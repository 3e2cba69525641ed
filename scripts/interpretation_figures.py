"""Sections of docs/figures.md on caching latents, making examples and pages of latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Table = Callable[[list[str], list[list[object]]], list[str]]

COLUMNS: Final = {
    "forward_part": "the model up to the hooked layer alone",
    "topk_chunk": "and its latents, kept in memory",
    "topk_csr": "and grouped by latent and written: the floor",
    "saesteer": "saesteer",
    "published": "the published method",
}
EXAMPLES: Final = {
    "saesteer": "saesteer",
    "contrast": "saesteer, with 40 silent windows for explainers more",
    "published": "the published method",
}


def caching(found: dict[str, Any], table: Table) -> list[str]:
    part, memory = found["caching"], found["memory"]
    config, of_memory = part["config"], memory["config"]
    (few, before), (many, after) = sorted((int(key), each) for key, each in memory["peaks"].items())
    lines = [
        "## Caching latents",
        "",
        f"`python benchmarks/caching.py --rounds {config['rounds']} --sequences {config['sequences']} "
        "--json docs/figures/caching.json`",
        "",
        f"A randomly initialised Llama (d {config['width']}, 8 layers) read at layer 4, a TopK SAE of "
        f"{config['latents']:,} latents, k {config['k']}, {config['sequences'] * config['context']:,} "
        f"tokens, float32, {config['threads']} threads, no GPU. Time over the floor's in the same round: "
        "median, least and most. Target: at most 1.05, then below 1. The processor has no bf16 units, so the "
        "probe chose no cheaper first pass; what is below the floor comes from how the k largest are chosen "
        "(saes/topk_select.py, beside torch's topk).",
        "",
    ]
    rows: list[list[object]] = [
        [COLUMNS[name], f"{each['time']:.2f}", f"{each['least']:.2f} to {each['most']:.2f}", each["seconds"]]
        for name, each in part["columns"].items()
    ]
    lines += table(["what", "time, ratio", "range", "seconds"], rows)
    return [
        *lines,
        f"`python benchmarks/caching.py --memory --sequences {of_memory['sequences']} "
        f"--width {of_memory['width']} --latents {of_memory['latents']} --threads {of_memory['threads']} "
        "--json docs/figures/caching.json`",
        "",
        f"Peak of anonymous memory, k {of_memory['k']}: {before['peak_mib']:.0f} MiB at {few:,} tokens, "
        f"{after['peak_mib']:.0f} MiB at {many:,}: {after['peak_mib'] / before['peak_mib']:.3f} times "
        "(target: at most 1.1). Under a limit of the operating system: tests/cache/test_memory.py.",
        "",
    ]


def examples(found: dict[str, Any], table: Table) -> list[str]:
    config, columns = found["config"], found["columns"]
    ratio = columns["published over saesteer"]
    lines = [
        "## Examples of a latent",
        "",
        f"`python benchmarks/examples.py --rounds {config['rounds']} --sequences {config['sequences']} "
        "--json docs/figures/examples_speed.json`",
        "",
        f"{config['n']} latents of a cache of {config['sequences'] * config['context']:,} tokens: 40 windows "
        "to explain, 50 to score and 50 silent ones, as objects with ids, texts and activations. The "
        f"published method takes {ratio['median']:.0f} times as long (rounds: {ratio['least']:.0f} to "
        f"{ratio['most']:.0f}). Target: 1 ms where it takes 32 ms.",
        "",
    ]
    rows: list[list[object]] = [
        [label, f"{columns[name]['ms']:.2f}", f"{columns[name]['least']:.2f}"]
        for name, label in EXAMPLES.items()
    ]
    return lines + table(["column", "ms per latent, median", "least"], rows)


def pages(found: dict[str, Any], table: Table) -> list[str]:
    config, before = found["config"], found["before"]
    lines = [
        "## Pages of latents",
        "",
        "`python benchmarks/latent_page.py --json docs/figures/latent_page.json`",
        "",
        f"Contexts, histogram and promoted tokens, from a cache on disk of {config['tokens']:,} tokens, "
        f"{config['width']:,} latents, {found['entries'] / 1e6:.0f} million entries, to a written file; one "
        "thread. fresh: a process of its own for each latent; warm: a latent that is new to a process which "
        f"has written another's page. A new process imports for {before['imports']:.1f} s and opens the "
        f"cache in {1e3 * before['opening']:.0f} ms. Target: under 0.2 s.",
        "",
    ]
    head = ["latent fires", "entries", "process", "seconds, median", "worst", "of the processor", "worst"]
    rows: list[list[object]] = [
        [each["what"], f"{each['entries']:,}", each["state"]]
        + [f"{each[key]:.3f}" for key in ("wall", "worst wall", "processor", "worst processor")]
        for each in found["rows"]
    ]
    return lines + table(head, rows)
