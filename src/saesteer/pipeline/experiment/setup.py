"""An experiment with its model loaded: what every cell of it works with, in this process or another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel, load_model
from saesteer.pipeline.experiment.choices import SAEChoice
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.inputs import Inputs
from saesteer.pipeline.experiment.method_choice import MethodChoice, Variant
from saesteer.pipeline.experiment.subjects import Subject
from saesteer.saes import SAE, load_sae
from saesteer.settings import load_settings

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""


@dataclass(eq=False)
class Setup:
    """Model, inputs and the folder of the run; SAEs are loaded when one is asked for, each once."""

    lm: LanguageModel
    inputs: Inputs
    out: Path
    _saes: dict[str, SAE] = field(default_factory=dict)

    @property
    def config(self) -> ExperimentConfig:
        return self.inputs.config

    def sae(self, source: str, download: bool = True) -> SAE:
        """The SAE of a source, on the model's device; without `download` only one that is here already."""
        if source not in self._saes:
            self._saes[source] = load_sae(source, device=str(self.lm.device), download=download)
        return self._saes[source]

    @property
    def measuring(self) -> SAEChoice | None:
        """The SAE by whose latents drift is measured."""
        name = self.config.measuring
        return None if name is None else self.config.saes[name]

    def sae_for(self, method: MethodChoice, subject: Subject) -> SAEChoice | None:
        """The one that a method names, else its task's, else the experiment's first; None without any."""
        named = None if method.sae is None else self.config.saes[method.sae]
        task = subject.task
        target = None if task is None or method.task_latents is None else getattr(task, method.task_latents)
        if target is not None:
            return named or SAEChoice(target.sae, target.hookpoint)
        return named or next(iter(self.config.saes.values()), None)

    def said_place(self, method: MethodChoice, variant: Variant, subject: Subject) -> str | None:
        """The hookpoint of a method: its own, else its SAE's or task's; None: where the SAE was trained."""
        if variant.at is not None:
            return variant.at
        if method.sae is None and method.task_latents is None and subject.task is not None:
            return subject.task.hookpoint
        found = self.sae_for(method, subject)
        if found is None:
            raise InputError(f"the method {method.name!r} needs at, such as layers.3; give it")
        return found.at

    def place(self, method: MethodChoice, variant: Variant, subject: Subject) -> str:
        """The same as the model spells it, of the SAE where nobody says."""
        said, found = self.said_place(method, variant, subject), self.sae_for(method, subject)
        if said is not None or found is None:
            return self.lm.hookpoint(str(said))
        return hookpoint_of(self.lm, self.sae(found.source), None)


def open_model(config: ExperimentConfig, device: str | None = None) -> LanguageModel:
    """The model of a config; `device` wins over the config's, and that over SAESTEER_DEVICE."""
    chosen = config.model
    where = device or chosen.device or load_settings().device
    return load_model(chosen.name, dtype=chosen.dtype, device=where, revision=chosen.revision)
