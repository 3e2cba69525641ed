"""The page that maps names of the reference to ours: what it names exists."""

import inspect
import re
import shlex
from pathlib import Path

import pytest

from saesteer.cli.main import VERBS, command
from saesteer.examples import Loader
from saesteer.names import Registry, resolve

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/from_reference.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| there")
]
NAMED = [
    "LatentCache",
    "FeatureCache",
    "FeatureDataset",
    "LatentDataset",
    "FeatureLoader",
    "process_wrapper",
    "Pipe",
    "Pipeline",
    "DefaultExplainer",
    "SingleTokenExplainer",
    "ContrastiveExplainer",
    "NoOpExplainer",
    "explanation_loader",
    "random_explanation_loader",
    "DetectionScorer",
    "FuzzingScorer",
    "IntruderScorer",
    "OpenAISimulator",
    "SurprisalScorer",
    "EmbeddingScorer",
    "ExampleEmbeddingScorer",
    "OpenRouter",
    "Offline",
    "RunConfig",
    "CacheConfig",
    "ConstructorConfig",
    "SamplerConfig",
    "ExperimentConfig",
    "LatentRecord",
    "default_constructor",
]


def test_every_row_has_three_cells():
    assert len(ROWS) > 45 and {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("name", NAMED)
def test_the_names_of_the_reference_are_there(name):
    assert any(re.search(rf"`{name}\b", there) for there, _, _ in ROWS)


@pytest.mark.parametrize("ours", sorted({ours for _, ours, _ in ROWS}))
def test_ours_can_be_imported_or_typed(ours):
    parts = re.findall(r"`([^`]+)`", ours)
    assert parts
    for part in parts:
        if part.startswith("saesteer "):
            assert part.split()[1] in VERBS
        else:
            assert resolve(part) is not None


@pytest.mark.parametrize(
    ("option", "ours"), re.findall(r"^\|[^|]*\| `(saesteer\.[\w.]+:\w+)`[^|]*\|[^|]*?`(\w+)=", PAGE, re.M)
)
def test_options_that_are_named_are_taken(option, ours):
    takes = resolve(option)  # functions in place of those of a table are for the Loader
    assert ours in inspect.signature(Loader if isinstance(takes, Registry) else takes).parameters


def test_options_of_settings_and_clients_are_taken():
    wanted = {
        "saesteer.llms.vllm_offline:VLLMClient": ("memory_share", "max_length", "gpus"),
        "saesteer.examples:ExampleSettings": (
            "length",
            "train",
            "test",
            "quantiles",
            "negatives",
            "min_windows",
        ),
        "saesteer.pipeline.interpretation:InterpretConfig": ("tokens", "context", "texts"),
        "saesteer.scorers.detection:Detection": ("n_shown", "logprobs"),
        "saesteer.cache:cache_latents": ("max_tokens",),
    }
    for address, names in wanted.items():
        assert all(f"`{name}`" in PAGE for name in names), address
        assert set(names) <= set(inspect.signature(resolve(address)).parameters), address


@pytest.mark.parametrize("page", ["interpretation", "from_reference"])
def test_commands_of_the_pages_parse(page):
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    for line in re.findall(r"^    saesteer (.+)$", text, re.M):
        verb, *words = shlex.split(line)
        command(verb).make_context(verb, words, resilient_parsing=False)
