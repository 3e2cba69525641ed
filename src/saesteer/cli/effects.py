"""`saesteer effects PART`: the parts of SAE-TS, each in a file of its own. Imports none of them."""

from __future__ import annotations

from typing import Final

# Part -> the file and function that run it, and what it does.
PARTS: Final[dict[str, tuple[str, str]]] = {
    "measure": (
        "saesteer.cli.effects_measure:measure",
        "Measure what vectors do to the latents of an SAE, in a folder that resumes.",
    ),
    "fit": (
        "saesteer.cli.effects_fit:fit",
        "Fit the linear approximator of measured effects: ridge, lambda by held-out vectors.",
    ),
    "predict": (
        "saesteer.cli.effects_fit:predict",
        "Predict what a vector does to every latent, beside what was measured of it.",
    ),
    "evaluate": (
        "saesteer.cli.effects_fit:evaluate",
        "Compare predicted with measured effects on vectors that the fit did not see, by kind.",
    ),
    "plot": (
        "saesteer.cli.effects_fit:plot",
        "Draw R^2 by latent, predicted against measured effects, and R^2 by effect size.",
    ),
    "bias": (
        "saesteer.cli.effects_tasks:bias",
        "Set the bias direction of an approximator beside random directions, in predicted effects.",
    ),
    "tasks": (
        "saesteer.cli.effects_tasks:tasks",
        "List the task configs of SAE-TS in a folder, and what they need from the network.",
    ),
}
