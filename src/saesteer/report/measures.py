"""One line on each figure of side effects, in the words of docs/measures.md. Knows names only."""

from __future__ import annotations

from typing import Final

BESIDE: Final[dict[str, tuple[str, str]]] = {
    "perplexity": (
        "Perplexity, read",
        "Of texts that the steered model reads and did not write: exp of nats per token.",
    ),
    "added_nats": (
        "Added nats",
        "Per token: what steering adds to the surprise at texts that are read.",
    ),
    "kl": (
        "KL",
        "Nats per prediction: how far the steered next token is from the plain one. The wanted change "
        "counts too.",
    ),
    "reverse_kl": (
        "Reverse KL",
        "The same from the plain side: large where the steered model rules out what the plain one "
        "says.",
    ),
    "drift": ("Drift", "Change of the off-target latents, summed, per token, in the SAE's units."),
    "drift_squared": ("Drift, squared", "The same with every change squared."),
    "drift_share": (
        "Drift, share",
        "Change of the off-target latents over what they are without steering.",
    ),
    "first_divergence": (
        "First divergence",
        "The first token of greedy texts that is not the plain model's, from 0; a text that never "
        "leaves counts as its length.",
    ),
    "never_diverges": (
        "Never diverging",
        "Share of greedy texts that are the plain model's to the end.",
    ),
    "written_perplexity": (
        "Perplexity, written",
        "Of the steered model's own texts, under the plain model. Repetition makes it low.",
    ),
    "repeated": ("Repeated", "Share of trigrams of words that a text said before."),
    "longest_repeat": (
        "Longest repeat",
        "Words in the longest stretch that stands twice in a text.",
    ),
    "moved": ("Moved", "Length of the edit over the length of the activation where it acts."),
}  # fmt: skip
"""Name -> as people read it, and what it is; a name that is not here is shown as it is."""


def label(name: str) -> str:
    """A figure's name as people read it."""
    return BESIDE[name][0] if name in BESIDE else name.replace("_", " ")
