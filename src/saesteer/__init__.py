"""Find, explain, steer and measure sparse-autoencoder features of language models.

The public names are a table of addresses, each imported on first use: `import saesteer` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> "module" or "module:attribute".
_ADDRESSES = {
    "Concept": "saesteer.text:Concept",
    "LanguageModel": "saesteer.model:LanguageModel",
    "LatentCache": "saesteer.cache:LatentCache",
    "SAE": "saesteer.saes:SAE",
    "SaesteerError": "saesteer.errors:SaesteerError",
    "SteeringSpec": "saesteer.steering:SteeringSpec",
    "attach": "saesteer.steering:attach",
    "cache_latents": "saesteer.cache:cache_latents",
    "calibrate": "saesteer.calibration:calibrate",
    "explain": "saesteer.pipeline.interpretation:explain",
    "interpret": "saesteer.pipeline.interpretation:interpret",
    "load_concept": "saesteer.text:load_concept",
    "load_model": "saesteer.model:load_model",
    "load_sae": "saesteer.saes:load_sae",
    "load_scar": "saesteer.steering:load_scar",
    "load_spec": "saesteer.steering:load_spec",
    "methods": "saesteer.methods",
    "score": "saesteer.pipeline.interpretation:score",
    "steer": "saesteer.steering:steer",
}

__all__ = ["__version__", *_ADDRESSES]


def __getattr__(name: str) -> Any:
    if name not in _ADDRESSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _ADDRESSES[name].partition(":")
    found = import_module(module)
    globals()[name] = value = getattr(found, attribute) if attribute else found
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
