"""Several settings of one model on the same tasks: each a finished folder of its own, found again when asked
again, and one table of what steering changed.

The model is loaded once, and not at all where every setting is finished. Imports lm_eval inside.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saesteer import __version__
from saesteer.errors import InputError
from saesteer.harness.asked import FILES, OPTIONS, Asked
from saesteer.harness.command import NAMES, Parsed, results_folder, tasks_of
from saesteer.harness.deltas import Delta, Scores, deltas
from saesteer.harness.known import known_fingerprint, note
from saesteer.harness.results import scores_of
from saesteer.harness.settings import PLAIN, Setting, settings_of
from saesteer.harness.task_hashes import task_hash
from saesteer.runs import read_json, run_stage, versions, write_json, write_text
from saesteer.steering.held import sae_hashes

if TYPE_CHECKING:
    from saesteer.harness.model import SteeredLM

_ASKED: Final = (
    "num_fewshot", "limit", "samples", "gen_kwargs", "system_instruction", "apply_chat_template",
    "fewshot_as_multiturn", "predict_only", "seed",
)  # fmt: skip
"""Options of lm_eval that change what is asked."""
_SEEDS: Final = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")
_ARITHMETIC: Final = ("batch_size", "max_batch_size", "device", "readings")
"""Model arguments that change the last bits at most."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep found, and where it lies."""

    rows: tuple[Delta, ...]
    plain: tuple[Scores, ...]
    about: Mapping[str, Any]
    folder: Path


def sweep(
    parsed: Parsed, specs: Sequence[Path], strengths: Sequence[float], allow_code: bool = False
) -> Sweep:
    """Run the plain model and each setting where they are not finished yet, and compare."""
    out = _folder(parsed)
    common = Asked.of({"spec": specs[0], **_steering(parsed)} if specs else {})
    settings = settings_of(specs, strengths, common)
    for each in settings:
        each.asked.spec()  # a file that cannot be read, before the model is loaded
    with tempfile.TemporaryDirectory(prefix="saesteer-tasks-") as folder:
        run = _Run(parsed, tasks_of(parsed, Path(folder)), allow_code, out / "settings")
        folders = {each.name: run.finished(each) for each in (Setting(PLAIN, "", Asked()), *settings)}
    scores = {name: _scores(folder) for name, folder in folders.items()}
    rows = deltas(
        scores[PLAIN], [(each.name, each.spec, each.asked.strength, scores[each.name]) for each in settings]
    )
    about = run.about | {"settings": {name: str(path.relative_to(out)) for name, path in folders.items()}}
    return Sweep(tuple(rows), tuple(scores[PLAIN]), about, out)


class _Run:
    """Tasks, and a model that is loaded when it is asked."""

    def __init__(self, parsed: Parsed, tasks: list[str], allow_code: bool, root: Path) -> None:
        from lm_eval.config.evaluate_config import EvaluatorConfig

        from saesteer.harness.guard import guarded

        self._guard, self._allow, self._root = guarded, allow_code, root
        parsed.given.tasks = tasks
        with guarded(allow_code):
            self._config = EvaluatorConfig.from_cli(parsed.given)
            self._tasks = self._config.process_tasks(self._config.metadata)
            loaded = self._tasks.load(copy.deepcopy(self._config.tasks))["tasks"]
        self._arguments = {
            key: each for key, each in parsed.arguments.items() if key not in (*FILES, *OPTIONS, "readings")
        }
        sizes = {key: getattr(self._config, key) for key in ("batch_size", "max_batch_size", "device")}
        self._sizes = {key: each for key, each in sizes.items() if each is not None}
        self._hashes = {
            name: task_hash(task, self._config.num_fewshot, self._code(name)) for name, task in loaded.items()
        }
        self._saes: dict[str, str] = {}

    def _code(self, name: str) -> Path | None:
        """The folder of a task that may run code which lm_eval did not bring."""
        from saesteer.harness.guard import BUILT_IN

        entry = self._tasks.task_index.get(name)
        path = None if entry is None or not self._allow else entry.yaml_path
        found = None if path is None else Path(path).resolve().parent
        return None if found is None or found.is_relative_to(BUILT_IN) else found

    @cached_property
    def _model(self) -> SteeredLM:
        from saesteer.harness.model import SteeredLM

        return SteeredLM(**self._arguments, **self._sizes)

    @cached_property
    def _fingerprint(self) -> str:
        """The model's, without loading it where it is known."""
        return known_fingerprint(self._record, self._decisive, lambda: self._model.lm.fingerprint())

    @property
    def _record(self) -> Path:
        return self._root / "models.json"

    @property
    def _decisive(self) -> dict[str, Any]:
        """The model arguments that change answers."""
        return {key: each for key, each in self._arguments.items() if key not in _ARITHMETIC}

    @property
    def about(self) -> dict[str, Any]:
        """Where every row comes from."""
        made = {"version": __version__, "model": self._fingerprint, "versions": versions()}
        return made | {"arguments": self._arguments, "tasks": self._hashes, "asked": self._asked()}

    def _asked(self) -> dict[str, Any]:
        return {key: getattr(self._config, key) for key in _ASKED}

    def finished(self, setting: Setting) -> Path:
        """The setting's folder; what is finished is not run again."""
        import lm_eval

        inputs: dict[str, Any] = {"model": self._fingerprint}
        inputs |= {f"task {key}": each for key, each in self._hashes.items()}
        if (spec := setting.asked.spec()) is not None:
            inputs["spec"] = spec.fingerprint()
            inputs |= {f"sae {key}": each for key, each in sae_hashes(spec, self._saes).items()}
        config = {"lm_eval": lm_eval.__version__, "arguments": self._decisive, "asked": self._asked()}

        def work(folder: Path) -> None:
            self._check_model()
            self._work(folder, setting)

        return run_stage(self._root, setting.stage, work, inputs=inputs, config=config, revision=2)

    def _check_model(self) -> None:
        """Refuse a model that is not the one of the note: an id of the Hub may have moved on."""
        if (loaded := self._model.lm.fingerprint()) != self._fingerprint:
            note(self._record, self._decisive, loaded)
            raise InputError("the model has changed since the sweep began; give the same command once more")

    def _work(self, folder: Path, setting: Setting) -> None:
        from lm_eval import simple_evaluate
        from lm_eval.utils import handle_non_serializable

        config = self._config
        self._model.steer(setting.asked, folder / "readings.jsonl")
        seeds = dict(zip(_SEEDS, config.seed or [None] * len(_SEEDS), strict=True))
        with self._guard(self._allow):
            results = simple_evaluate(
                model=self._model,
                model_args=self._arguments,
                tasks=copy.deepcopy(config.tasks),
                task_manager=self._tasks,
                batch_size=config.batch_size,
                device=config.device,
                log_samples=True,
                cache_requests=config.cache_requests.get("cache_requests", False),
                confirm_run_unsafe_code=config.confirm_run_unsafe_code,
                **{key: each for key, each in self._asked().items() if key != "seed"},
                **seeds,
            )
        write_json(folder / "scores.json", [asdict(each) for each in scores_of(results)])
        samples = results.pop("samples")
        dump = {"default": handle_non_serializable, "ensure_ascii": False}
        write_text(folder / "results.json", json.dumps(results, indent=2, **dump) + "\n")
        if config.log_samples:
            for task, rows in samples.items():
                text = "".join(json.dumps(row, **dump) + "\n" for row in rows)
                write_text(folder / f"samples_{task}.jsonl", text)


def _folder(parsed: Parsed) -> Path:
    if parsed.part != "run" or parsed.given.model not in NAMES:
        raise InputError("--sweep is of a run of --model saesteer; leave the other out")
    if not parsed.given.output_path:
        raise InputError("--sweep keeps each setting in a folder; give --output_path FOLDER")
    if parsed.given.use_cache:
        raise InputError("--sweep finds finished settings again by itself; leave --use_cache out")
    return results_folder(parsed.given.output_path)


def _steering(parsed: Parsed) -> dict[str, Any]:
    """What is common to all settings."""
    named = [key for key in (*FILES, "strength") if key in parsed.arguments]
    if named:
        raise InputError(
            f"a sweep takes specs and strengths as --spec and --strength, got {named[0]} elsewhere"
        )
    return {key: parsed.arguments[key] for key in OPTIONS if key in parsed.arguments}


def _scores(folder: Path) -> list[Scores]:
    return [Scores(**each) for each in read_json(folder / "scores.json")]
