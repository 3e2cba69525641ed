"""Time steered generation beside unsteered: what an edit costs, ours and that of peers.

    python benchmarks/steering.py [--json docs/figures/steered_generation.json]

A randomly initialised Llama (d 512, 8 layers, vocabulary 32,000), greedy, batch 16, 16 tokens of prompt, 64
new ones, the edit after block 4. A column is a process of its own in which pairs (steered, unsteered) follow
each other in alternating order; its ratio is the median over pairs, with a bootstrapped 95 % interval. The
tokens are the `same` where they equal those of a bare forward hook with the same vector.
`us` is what the steering adds to each new token, in microseconds: the median over pairs, with its interval.
Columns of libraries that are not installed are left out: steering_vectors, repeng, nnsight, lm_eval. A peer
that needs other packages than the rest takes a folder of its own: --path repeng=FOLDER.

The columns rows_256 and rows_256_four_layers write 256 rows with 256 specs, at one hookpoint and over four,
beside 256 rows with one spec.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Work = Callable[[], Any]
LAYER = 4


@dataclass
class Setting:
    """The model, its prompts and the vector, equal in every process."""

    a: argparse.Namespace
    hf: Any = field(init=False)
    ids: Tensor = field(init=False)
    v: Tensor = field(init=False)

    def __post_init__(self) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        a = self.a
        config = LlamaConfig(
            hidden_size=a.width,
            num_hidden_layers=8,
            num_attention_heads=8,
            intermediate_size=a.width * 43 // 16,
            vocab_size=a.vocab,
            max_position_embeddings=256,
        )
        self.hf = LlamaForCausalLM(config).eval()
        self.hf.generation_config.eos_token_id = None
        self.ids = torch.randint(3, a.vocab, (a.batch, a.prompt))
        v = torch.randn(a.width)
        self.v = 8.0 * v / v.norm()

    def write(self, rows: int | None = None) -> Tensor:
        ids = self.ids if rows is None else self.ids[torch.arange(rows) % len(self.ids)]
        return self.hf.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=self.a.new,
            do_sample=False,
            pad_token_id=2,
        )

    def hooked(self) -> Tensor:
        def add(module: Any, inputs: Any, output: Any) -> Any:
            return (output[0] + self.v, *output[1:]) if isinstance(output, tuple) else output + self.v

        handle = self.hf.model.layers[LAYER].register_forward_hook(add)
        try:
            return self.write()
        finally:
            handle.remove()


def saesteer(s: Setting, spec: Any, rows: int | None = None, saes: Any = None) -> Work:
    from saesteer.model import LanguageModel
    from saesteer.steering import steer

    lm = LanguageModel(s.hf, name="benchmark")

    def work() -> Tensor:
        with steer(lm, spec, saes=saes):
            return s.write(rows)

    return work


def add_spec(v: Tensor, layer: int = LAYER) -> Any:
    from saesteer.steering import Intervention, SteeringSpec, Strength, TensorRef, Where

    each = Intervention(
        f"layers.{layer}",
        "add",
        tensor="v",
        normalize=False,
        strength=Strength(1.0),
        where=Where(skip=()),
    )
    return SteeringSpec((each,), {"v": TensorRef.of(v)})


def edit(architecture: str, s: Setting) -> Work:
    """One latent of an SAE set to a value, the reconstruction error kept."""
    from saesteer.saes import ARCHITECTURES, SAEConfig
    from saesteer.steering import Intervention, SAERef, SteeringSpec

    n, d = s.a.latents, s.a.width
    cfg = SAEConfig(architecture=architecture, d_in=d, d_sae=n, k=32 if architecture == "topk" else None)
    W = torch.randn(d, n, generator=torch.Generator().manual_seed(2)) / d**0.5
    tensors = {"W_enc": W, "W_dec": W.T.contiguous(), "b_enc": torch.zeros(n), "b_dec": torch.zeros(d)}
    if architecture == "jumprelu":
        tensors["threshold"] = torch.full((n,), 0.1)
    sae = ARCHITECTURES.get(architecture)(cfg, tensors)
    each = Intervention(f"layers.{LAYER}", "set_latents", sae="s", latents=((7, 8.0),))
    return saesteer(s, SteeringSpec((each,), saes={"s": SAERef()}), saes={"s": sae})


def steering_vectors(s: Setting) -> Work:
    from steering_vectors import SteeringVector

    vector = SteeringVector({LAYER: s.v}, "decoder_block")

    def work() -> Tensor:
        with vector.apply(s.hf):
            return s.write()

    return work


def repeng(s: Setting) -> Work:
    from repeng import ControlModel

    model = ControlModel(s.hf, [LAYER])

    def work() -> Tensor:
        model.set_raw_control({LAYER: s.v})
        try:
            return s.write()
        finally:
            model.reset()

    return work


def nnsight(s: Setting) -> Work:
    from nnsight.modeling.transformers import TransformersModel
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"t{i}": i for i in range(s.a.vocab)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")))
    model = TransformersModel(s.hf, task="text-generation", tokenizer=tokenizer)
    asked = {"attention_mask": torch.ones_like(s.ids), "max_new_tokens": s.a.new, "do_sample": False}

    def work() -> Tensor:
        with model.generate(s.ids, **asked, pad_token_id=2) as tracer:
            for _ in tracer.iter[: s.a.new]:
                model.model.layers[LAYER].output = model.model.layers[LAYER].output + s.v
            out = tracer.result.save()
        return out

    return work


def lm_eval(s: Setting) -> Work:
    from lm_eval.models.hf_steered import SteeredModel, steer

    hooks = {f"layers.{LAYER}": partial(SteeredModel.add, vector=s.v, head_index=None)}

    def work() -> Tensor:
        with steer(s.hf, hooks):
            return s.write()

    return work


def rows_256(s: Setting, layers: tuple[int, ...]) -> tuple[Work, Work]:
    draw = torch.Generator().manual_seed(3)
    vectors = torch.randn(256, s.a.width, generator=draw)
    vectors = 8.0 * vectors / vectors.norm(dim=1, keepdim=True)
    specs = [add_spec(v, layers[i % len(layers)]) for i, v in enumerate(vectors)]
    return saesteer(s, specs, 256), saesteer(s, specs[0], 256)


COLUMNS: dict[str, Callable[[Setting], Work | tuple[Work, Work]]] = {
    "unsteered": lambda s: s.write,
    "bare_hook": lambda s: s.hooked,
    "saesteer": lambda s: saesteer(s, add_spec(s.v)),
    "steering_vectors": steering_vectors,
    "repeng": repeng,
    "nnsight": nnsight,
    "lm_eval": lm_eval,
    "saesteer_relu_latent": partial(edit, "standard"),
    "saesteer_jumprelu_latent": partial(edit, "jumprelu"),
    "saesteer_topk_latent": partial(edit, "topk"),
    "rows_256": lambda s: rows_256(s, (LAYER,)),
    "rows_256_four_layers": lambda s: rows_256(s, (2, 3, 4, 5)),
}
NEEDS = {
    "steering_vectors": "steering_vectors",
    "repeng": "repeng",
    "nnsight": "nnsight",
    "lm_eval": "lm_eval",
}


def measure(name: str, a: argparse.Namespace) -> dict[str, Any]:
    """One column, in this process."""
    torch.set_num_threads(a.threads)
    s = Setting(a)
    want = s.hooked()  # before a library wraps the model
    found = COLUMNS[name](s)
    steered, plain = found if isinstance(found, tuple) else (found, s.write)
    pairs = max(3, a.pairs // 6) if isinstance(found, tuple) else a.pairs
    out = steered()
    comparable = not (name == "unsteered" or "latent" in name or isinstance(found, tuple))
    same = bool(torch.equal(out, want)) if comparable else None
    plain()
    ratios, seconds, added = [], [], []
    for number in range(pairs):
        first, second = (steered, plain) if number % 2 else (plain, steered)
        t = [_timed(first), _timed(second)]
        mine, base = t if number % 2 else t[::-1]
        ratios.append(mine / base)
        seconds.append(base)
        added.append(1e6 * (mine - base) / a.new)
    low, high = _interval(ratios)
    return {
        "ratio": statistics.median(ratios),
        "low": low,
        "high": high,
        "pairs": pairs,
        "base_seconds": statistics.median(seconds),
        "same": same,
        "us": [statistics.median(added), *_interval(added)],
    }


def _timed(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _interval(ratios: list[float]) -> tuple[float, float]:
    """Of the median, by 2,000 bootstrap draws."""
    draws = torch.tensor(ratios)[
        torch.randint(len(ratios), (2000, len(ratios)), generator=torch.Generator().manual_seed(0))
    ]
    medians = draws.quantile(0.5, dim=1)
    return float(medians.quantile(0.025)), float(medians.quantile(0.975))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = {"batch": 16, "prompt": 16, "new": 64, "width": 512, "vocab": 32_000, "latents": 16_384}
    for name, default in (numbers | {"pairs": 30, "threads": 2}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--columns", default=",".join(COLUMNS))
    parser.add_argument("--path", action="append", default=[], help="COLUMN=FOLDER, first on its import path")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    if a.worker:
        print(json.dumps(measure(a.worker, a)))
        return
    paths = dict(each.split("=", 1) for each in a.path)
    rows = {}
    for name in a.columns.split(","):
        if name in NEEDS and not paths.get(name) and not importlib.util.find_spec(NEEDS[name]):
            print(f"{name}: left out, not installed", file=sys.stderr)
            continue
        line = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(a.threads)}
        if name in paths:
            before = os.environ.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join([paths[name], *([before] if before else [])])
        done = subprocess.run(line, capture_output=True, text=True, env=environment)
        if done.returncode:
            print(f"{name}: left out\n{done.stderr[-400:]}", file=sys.stderr)
            continue
        each = rows[name] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:26} {each['ratio']:.3f} [{each['low']:.3f}, {each['high']:.3f}] same {each['same']} "
            f"us {each['us'][0]:.0f} [{each['us'][1]:.0f}, {each['us'][2]:.0f}]",
            flush=True,
        )
    if a.json:
        command = shlex.join(
            ["python", "benchmarks/steering.py", *(_placeless(each) for each in sys.argv[1:])]
        )
        a.json.write_text(json.dumps({"command": command, "columns": rows}, indent=1) + "\n")


def _placeless(argument: str) -> str:
    """`repeng=/some/where` without the place, which is this machine's."""
    name, mark, rest = argument.partition("=")
    return f"{name}=FOLDER" if mark and Path(rest).is_dir() else argument


if __name__ == "__main__":
    main()
