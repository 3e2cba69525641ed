"""The weights that ship with the package, and the world's answers to the registries of lower rooms."""

from importlib.resources import files
from pathlib import Path

from saesteer.errors import CorruptFile
from saesteer.text.concept import Concept
from saesteer.world.texts import world_concept

WEIGHTS = Path(str(files("saesteer.world"))) / "weights"


def _folder(name: str) -> Path:
    path = WEIGHTS / name
    if not (path / "config.json").is_file() and not (path / "cfg.json").is_file():
        raise CorruptFile(
            f"the embedded world's weights {name!r} are not in this installation; install saesteer again, "
            "or build them with scripts/build_world.py"
        )
    return path


def model_folder() -> Path:
    """The embedded language model, in plain Hugging Face format."""
    return _folder("lm")


def sae_layers_3() -> Path:
    """Of the residual stream."""
    return _folder("layers.3")


def sae_layers_4_attn() -> Path:
    """Of what the last layer's attention fetches."""
    return _folder("layers.4.attn")


def concept(name: str) -> Concept:
    """A concept of the world by its name, such as `wedding`."""
    return world_concept(name)
