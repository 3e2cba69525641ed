"""An experiment on the world, as small as it gets: two concepts, few texts of few tokens."""

from pathlib import Path
from typing import Any

from saesteer.pipeline.experiment import ExperimentRun

FOLDER = Path(__file__).parent / "concepts"
SEA, WEDDING = (str(FOLDER / f"{name}.yaml") for name in ("sea", "wedding"))  # world/sea, with few texts
PROMPTS = ["The old man", "Anna went to the town", "It was late", "They had a house"]
SMALL: dict[str, Any] = {
    "title": "A small one",
    "saes": {"s": "world/layers.3"},
    "concepts": [SEA],
    "prompts": PROMPTS,
    "methods": ["diffmean", "random_direction"],
    "strengths": [0.2, 0.3],
    "samples": {"selection": 1, "test": 1, "base": 1},
    "writing": {"max_new_tokens": 12},
    "coherence": 0.0,
    "side_effects": False,
}


def small(**changes: Any) -> dict[str, Any]:
    """The config as YAML gives it."""
    return {**SMALL, **changes}


def samples_of(run: ExperimentRun) -> list[Any]:
    """Every sample of a run in the order of its cells."""
    found = list(run.base.rows)
    for cell in run.cells:
        for each in (cell.tried, cell.tested):
            found += [] if each is None else each.rows
    return found


def write_spec(path: Path, at: str = "layers.3", width: int = 8, value: float = 1.0) -> Path:
    """A spec that adds a direction of one length."""
    import torch

    from saesteer.steering import Intervention, SteeringSpec, Strength, TensorRef

    add = Intervention(op="add", hookpoint=at, tensor="v", strength=Strength(1.0))
    SteeringSpec((add,), {"v": TensorRef.of(torch.full((width,), value))}).save(path)
    return path


def write_task(folder: Path, name: str, texts: bool = True, latents: int | None = 5) -> Path:
    """A task as SAE-TS published them, of the world's SAE."""
    import json

    place = folder / "gemma2" / name
    place.mkdir(parents=True)
    ask = {"name": name, "score": f"The text is about the {name}", "coherence": "The text is coherent."}
    (place / "criteria.json").write_text(json.dumps([ask]))
    if texts:
        sides = {"pos": [f"the {name} was wide", f"a ship on the {name}"], "neg": ["the cat", "a big dog"]}
        record = {**sides, "layer": 3, "hp": "blocks.3.hook_resid_post"}
        (place / "act_steer.json").write_text(json.dumps(record))
    if latents is not None:
        sae = {"sae_load_method": "saelens", "repo_id": "world", "filename": "layers.3", "layer": 3}
        for file in ("feature_steer.json", "optimised_steer.json"):
            (place / file).write_text(json.dumps({**sae, "features": [[latents, 1]]}))
    return folder / "gemma2"
