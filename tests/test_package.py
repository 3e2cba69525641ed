"""The public face: what `import saesteer` offers and what it costs."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import saesteer

PUBLIC = [
    "Concept",
    "LanguageModel",
    "LatentCache",
    "SAE",
    "SaesteerError",
    "SteeringSpec",
    "__version__",
    "attach",
    "cache_latents",
    "calibrate",
    "explain",
    "interpret",
    "load_concept",
    "load_model",
    "load_sae",
    "load_scar",
    "load_spec",
    "methods",
    "score",
    "steer",
]


def test_the_public_names_are_pinned():
    assert sorted(saesteer.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(saesteer))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_what_its_address_holds(name):
    value = getattr(saesteer, name)
    if name in saesteer._ADDRESSES:
        module, _, attribute = saesteer._ADDRESSES[name].partition(":")
        assert value is (getattr(import_module(module), attribute) if attribute else import_module(module))


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod_model'"):
        saesteer.lod_model  # noqa: B018


def test_importing_saesteer_imports_nothing_else():
    code = (
        "import sys, importlib; before = set(sys.modules); import saesteer; dir(saesteer);"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(*sorted(new - set(sys.stdlib_module_names) - {'saesteer'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_package_is_typed():
    assert (Path(saesteer.__file__).parent / "py.typed").is_file()
