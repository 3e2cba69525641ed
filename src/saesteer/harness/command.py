"""lm_eval's command line with our model in it: its options are read by its own parser and handed over.

Adds to the model arguments what is asked of the steering, refuses what would run code from outside, and then
lets lm_eval do what it does. Imports lm_eval.
"""

from __future__ import annotations

import json
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from saesteer.errors import InputError, MissingExtra
from saesteer.harness.asked import FILES, OPTIONS, Asked
from saesteer.harness.refusals import check_plain
from saesteer.harness.tasks import TASKS, written
from saesteer.runs import read_yaml

NAMES: Final = {
    "saesteer": "saesteer.harness.model:SteeredLM",
    "sae_steered_beta": "saesteer.harness.model:SteeredLM",
}
"""Our model's names, and where lm_eval finds it."""
_PARTS: Final = ("run", "ls", "validate")
_DICTS: Final = ("model_args", "gen_kwargs", "metadata")


@dataclass(frozen=True)
class Parsed:
    """A command line of lm_eval that may be run."""

    given: Namespace
    part: str

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the model."""
        return dict(self.given.model_args or {})


def register() -> None:
    """Tell lm_eval of our model; what the entry point `lm_eval.models` does in versions that read it."""
    try:
        import lm_eval.models  # noqa: F401  fills its registry with its own
        from lm_eval.api.registry import model_registry
    except ImportError as error:
        raise MissingExtra.of("lm_eval", "lm-eval") from error
    for name, target in NAMES.items():
        if name not in model_registry:
            model_registry.register(name, target=target)


def parse(words: Sequence[str], steering: Mapping[str, Any], allow_code: bool = False) -> Parsed:
    """lm_eval's options, checked; `steering`: model arguments of ours that were given as options."""
    register()
    from lm_eval._cli import HarnessCLI

    part = words[0] if words and words[0] in _PARTS else "run"
    rest = list(words[1:] if words and words[0] in _PARTS else words)
    given = HarnessCLI()._parser.parse_args([part, *rest])
    if part != "run":
        if steering:
            raise InputError(f"{', '.join(steering)}: lm_eval {part} has no model to steer; leave it out")
        return Parsed(given, part)
    _merge_file(given)
    _check(given, allow_code)
    _place(given, steering)
    return Parsed(given, part)


def run(parsed: Parsed, allow_code: bool = False) -> dict[str, Any]:
    """Hand over to lm_eval, which prints and writes its results as always; the same, without samples."""
    import lm_eval
    from lm_eval.utils import handle_non_serializable, setup_logging

    from saesteer.harness.guard import guarded

    setup_logging()
    found: dict[str, Any] = {}
    evaluate = lm_eval.simple_evaluate

    def kept(*given: Any, **named: Any) -> Any:
        results = evaluate(*given, **named)
        found.update({key: each for key, each in (results or {}).items() if key != "samples"})
        return results

    with ExitStack() as stack:
        stack.enter_context(guarded(allow_code))
        stack.enter_context(patch.object(lm_eval, "simple_evaluate", kept))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="saesteer-tasks-"))
        if parsed.part == "run":
            parsed.given.tasks = tasks_of(parsed, Path(folder))
        parsed.given.func(parsed.given)
    return dict(json.loads(json.dumps(found, default=handle_non_serializable)))


def with_readings(parsed: Parsed, path: Path | None) -> Parsed:
    """The same with a file for what latents read: the one that is named, else one beside the results."""
    if parsed.part != "run" or parsed.given.model not in NAMES:
        if path is not None:
            raise InputError("--readings are of a run of --model saesteer; leave it out")
        return parsed
    out = parsed.given.output_path
    if path is None and out:
        path = results_folder(out) / "readings.jsonl"
    if path is not None:
        parsed.given.model_args.setdefault("readings", str(path))
    return parsed


def with_options(arguments: Mapping[str, Any], steering: Mapping[str, Any]) -> dict[str, Any]:
    """Model arguments and what was given as options; InputError where both say something."""
    for key in steering:
        others = [name for name in (FILES if key in FILES else (key,)) if name in arguments]
        if others:
            raise InputError(f"--{key} and the model argument {others[0]} say the same; give one of them")
    return {**arguments, **steering}


def asked_of(arguments: Mapping[str, Any]) -> Asked:
    """What model arguments ask of the steering."""
    return Asked.of({key: arguments[key] for key in (*FILES, *OPTIONS) if key in arguments})


def unread(parsed: Parsed) -> bool:
    """Whether rows of the spec, which is read here, print a latent and nothing keeps what they read."""
    if parsed.part != "run" or parsed.given.model not in NAMES:
        return False
    spec = asked_of(parsed.arguments).spec()
    return spec is not None and bool(spec.provenance.get("inspected")) and "readings" not in parsed.arguments


def tasks_of(parsed: Parsed, folder: Path) -> list[str]:
    """The names of tasks for lm_eval, those of ours written as files: beside the results, or in `folder`."""
    names = parsed.given.tasks
    if not names:
        raise InputError("there are no tasks to run; give --tasks NAME, see saesteer lm-eval ls tasks")
    if not any(each in TASKS for each in names):
        return list(names)
    out = parsed.given.output_path
    return written(names, results_folder(out) / "tasks" if out else folder)


def results_folder(out: str) -> Path:
    """The folder of lm_eval's --output_path, which may name a .json file in it."""
    path = Path(out).expanduser()
    return path.parent if path.suffix == ".json" else path


def _merge_file(given: Namespace) -> None:
    """Take what lm_eval would of its `--config` file, so that it is checked like the rest."""
    if given.config is None:
        return
    config = read_yaml(given.config)
    if not isinstance(config, dict):
        raise InputError(f"{given.config} is no mapping of options; see lm_eval run --help")
    for key in _DICTS:
        held = config.get(key)
        if isinstance(held, str):
            raise InputError(f"{given.config}: {key} is a mapping, got text; write one line for each key")
        setattr(given, key, {**(held or {}), **(getattr(given, key) or {})} or None)
    for key in ("model", "tasks", "output_path", "trust_remote_code", "confirm_run_unsafe_code", "use_cache"):
        if getattr(given, key, None) is None and config.get(key) is not None:
            value = config[key]
            setattr(given, key, value.split(",") if key == "tasks" and isinstance(value, str) else value)
    if not isinstance(given.tasks or [], list) or not all(
        isinstance(each, str) for each in given.tasks or ()
    ):
        raise InputError(f"{given.config}: tasks are names, got {given.tasks!r}; write tasks: [NAME, NAME]")


def _check(given: Namespace, allow_code: bool) -> None:
    """Refuse what would run code from outside."""
    check_plain({"trust_remote_code": getattr(given, "trust_remote_code", None) or ""}, "option")
    for key in _DICTS:
        check_plain(getattr(given, key) or {}, f"--{key}")
    if getattr(given, "confirm_run_unsafe_code", False) and not allow_code:
        raise InputError(
            "--confirm_run_unsafe_code runs what a model writes; if you mean it, add --allow-code"
        )


def _place(given: Namespace, steering: Mapping[str, Any]) -> None:
    """The steering among the model arguments, and our model as the default."""
    given.model = given.model or "saesteer"
    if given.model not in NAMES:
        if steering:
            raise InputError(
                f"{', '.join(steering)}: --model {given.model} is not steered; use --model saesteer"
            )
        return
    arguments = with_options(dict(given.model_args or {}), steering)
    asked_of(arguments)
    names = [arguments.pop(key) for key in ("pretrained", "base_name") if key in arguments]
    if len(names) > 1:
        raise InputError("pretrained and base_name name a model each; give one of them")
    given.model_args = {
        "pretrained": names[0] if names else "world"
    } | arguments  # lm_eval names results by it
