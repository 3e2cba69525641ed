"""Measure the embedded SAEs where the truth is known, beside untrained ones of the same shape.

    python scripts/measure_quality.py [--tokens 60000] [--json docs/figures/quality.json] [--pages FOLDER]

The control is an SAE as it stands before its first step of training: random unit decoder rows, the encoder
the same, b_dec at the mean activation. What it reaches is what many random directions reach by chance and by
the choice among them.
"""

import argparse
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F

from saesteer.evaluation.saes import SAEReport, sae_quality
from saesteer.latents import ActivationSource
from saesteer.model import LanguageModel, load_model
from saesteer.report import write_sae_page
from saesteer.saes import SAE, load_sae
from saesteer.world.labels import labelled_stories

SAES = ("world/layers.3", "world/layers.4.attn")


def untrained(lm: LanguageModel, sae: SAE, seed: int = 0) -> SAE:
    """The same architecture and sizes, random."""
    texts = [document.text for document in islice(labelled_stories().documents, 200)]
    mean = torch.cat(list(ActivationSource(lm, texts, sae.cfg.hook_name))).mean(0)
    draw = torch.Generator().manual_seed(seed)
    decoder = F.normalize(torch.randn(sae.cfg.d_sae, sae.cfg.d_in, generator=draw), dim=-1)
    tensors = {"W_enc": decoder.T, "W_dec": decoder, "b_enc": torch.zeros(sae.cfg.d_sae), "b_dec": mean}
    return type(sae)(replace(sae.cfg, metadata={"control": "untrained"}), tensors)


def record(report: SAEReport) -> dict[str, object]:
    """Rounded, so that the file says no more than was measured."""
    rows = [{name: rounded(value) for name, value in row.flat().items()} for row in report.rows]
    summary = {name: rounded(value) for name, value in report.summary.items()}
    return {"summary": summary, "concepts": rows, "left_out": [each.concept for each in report.left_out]}


def rounded(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=60_000)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--pages", type=Path, default=None, help="write the page of each SAE to this folder")
    args = parser.parse_args()
    lm = load_model("world")
    found: dict[str, object] = {}
    for name in SAES:
        sae = load_sae(name)
        both = {"trained": sae, "untrained": untrained(lm, sae)}
        found[name] = {}
        for kind, each in both.items():
            report = sae_quality(lm, each, tokens=args.tokens)
            found[name][kind] = record(report)
            print(name, kind, json.dumps(found[name][kind]["summary"], indent=1), flush=True)
            if args.pages:
                title = name if kind == "trained" else f"{name}, untrained"
                write_sae_page(report, args.pages / f"{name.replace('/', '_')}_{kind}.html", title)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
