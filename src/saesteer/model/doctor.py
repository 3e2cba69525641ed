"""Whether hooks, positions and generation keep their promises on this model: named checks with results."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from saesteer import __version__
from saesteer.errors import SaesteerError
from saesteer.model.language_model import LanguageModel
from saesteer.model.positions import Positions
from saesteer.model.tokens import Tokens

# Largest difference of logits, relative to their spread, that another batch shape may make.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Copy:
    """An edit that changes nothing, by a new tensor: the hook writes it as it would a change."""

    hookpoint: str

    def __call__(self, x: Tensor, at: Positions) -> Tensor:
        return x.clone()


@dataclass(frozen=True)
class Turn:
    """An edit that no later norm can undo."""

    hookpoint: str

    def __call__(self, x: Tensor, at: Positions) -> Tensor:
        return torch.where(at.mask[..., None], x.roll(1, -1) + 1, x)


def examine(lm: LanguageModel) -> list[Check]:
    """Every check, a failed or broken one as a result."""
    return list(iterate(lm))


def iterate(lm: LanguageModel) -> Iterator[Check]:
    """The checks one by one, as they are made."""
    yield Check("versions", True, versions())
    yield Check("model", True, f"{lm!r}, attention {lm.hf.config._attn_implementation}, {lm.fingerprint()}")
    if not lm.hookpoints():
        yield Check("hookpoints", False, "this family has no canonical names; only module paths work on it")
    for name, look in CHECKS.items():
        try:
            ok, detail = look(lm)
        except (SaesteerError, RuntimeError, ValueError) as error:
            ok, detail = False, str(error) or type(error).__name__
        yield Check(name, ok, detail)


def versions() -> str:
    """Python and the packages that results depend on."""
    return ", ".join(
        [
            f"saesteer {__version__}",
            f"python {platform.python_version()}",
            *(f"{each} {_version(each)}" for each in _PACKAGES),
        ]
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _rows(lm: LanguageModel) -> list[list[int]]:
    """Rows of unlike lengths that keep clear of the lowest ids, where special tokens tend to be."""
    low = min(8, lm.vocab_size // 2)
    return [[low + (7 * n + 3 * row) % (lm.vocab_size - low) for n in range(4 + 3 * row)] for row in range(3)]


def tokenizer(lm: LanguageModel) -> tuple[bool, str]:
    """Text becomes ids that the model knows, and text again."""
    if lm.tokenizer is None:
        return True, "none: texts cannot be read, only token ids"
    text = "The ship came home."
    ids = lm.tokenize([text], bos=False).ids[0].tolist()  # raises where the model does not know an id
    again = lm.tokenizer.decode(ids)
    return bool(again.strip()), f"{len(lm.tokenizer)} tokens; {text!r} is {len(ids)}, which read {again!r}"


def inert(lm: LanguageModel) -> tuple[bool, str]:
    """Hooks that change nothing give the plain logits to the bit in the same batch shape."""
    tokens = Tokens.of(_rows(lm))
    plain = lm.logits(tokens)
    with lm.intervening([Copy(each) for each in lm.hookpoints()]):
        same = torch.equal(plain, lm.logits(tokens))
    return same, f"{len(lm.hookpoints())} hookpoints, logits {'bit-identical' if same else 'differ'}"


def recorded(lm: LanguageModel) -> tuple[bool, str]:
    """Every hookpoint can be read, and reading it alone, with early exit, gives the same."""
    tokens = Tokens.of(_rows(lm))
    together = lm.record(tokens, lm.hookpoints())
    bad = [
        at
        for at, x in together.items()
        if x.shape != (*tokens.ids.shape, lm.width(at)) or not torch.equal(x, lm.record(tokens, [at])[at])
    ]
    return not bad, f"{len(together)} hookpoints" + (f"; wrong at {', '.join(bad)}" if bad else "")


def intervened(lm: LanguageModel) -> tuple[bool, str]:
    """A change at every hookpoint reaches the logits."""
    tokens = Tokens.of(_rows(lm))
    plain = lm.logits(tokens)
    dead = []
    for at in lm.hookpoints():
        with lm.intervening([Turn(at)]):
            if torch.equal(plain[tokens.mask], lm.logits(tokens)[tokens.mask]):
                dead.append(at)
    return not dead, f"{len(lm.hookpoints())} hookpoints" + (
        f"; no effect at {', '.join(dead)}" if dead else ""
    )


def summed(lm: LanguageModel) -> tuple[bool, str]:
    """A block's output is its input and what attention and MLP add."""
    tokens = Tokens.of(_rows(lm))
    x = lm.record(tokens, lm.hookpoints())
    worst = 0.0
    for n in range(lm.n_layers if x else 0):
        parts = [x[f"layers.{n}{part}"].float() for part in (".in", ".attn", ".mlp")]
        whole = x[f"layers.{n}"].float()
        worst = max(worst, float((sum(parts[1:], parts[0]) - whole).abs().max() / whole.std()))
    return worst <= TOLERANCE[
        lm.dtype
    ], f"in + attn + mlp differs from the output by {worst:.1e} of its spread"


def generated(lm: LanguageModel) -> tuple[bool, str]:
    """Generation under hooks that change nothing gives the same tokens."""
    prompts = Tokens.of(_rows(lm))
    plain = lm.generate(prompts, n=2, max_new_tokens=8, stop=False)
    with lm.intervening([Copy(each) for each in lm.hookpoints()]):
        hooked = lm.generate(prompts, n=2, max_new_tokens=8, stop=False)
    same = [a.ids for a in plain] == [b.ids for b in hooked]
    return same, f"{len(plain)} rows of 8 tokens, {'the same' if same else 'other'} tokens"


def padded(lm: LanguageModel) -> tuple[bool, str]:
    """A row's logits do not depend on its padding, on either side, beyond a tolerance."""
    ids = _rows(lm)
    worst = 0.0
    for side in ("left", "right"):
        tokens = Tokens.of(ids, "left" if side == "left" else "right").to(lm.device)
        together = lm.logits(tokens).float()
        for row, alone in enumerate(ids):
            expected = lm.logits(Tokens.of([alone]))[0].float()
            gap = (together[row][tokens.mask[row]] - expected).abs().max() / expected.std()
            worst = max(worst, float(gap))
    limit = TOLERANCE[lm.dtype]
    return worst <= limit, f"logits differ by {worst:.1e} of their spread (at most {limit:g})"


def clean(lm: LanguageModel) -> tuple[bool, str]:
    """No hook of ours is left on the model."""
    left = lm.hooks_installed()
    return left == 0, f"{left} left"


CHECKS: dict[str, Callable[[LanguageModel], tuple[bool, str]]] = {
    "tokenizer": tokenizer,
    "inert hooks": inert,
    "record": recorded,
    "intervene": intervened,
    "residual sums": summed,
    "generation": generated,
    "padding": padded,
    "hooks left": clean,
}
