"""Task files are data: what would run code out of them is refused where lm_eval would run it.

lm_eval has four such places: `!function` and `class` in a YAML file, metrics fetched as scripts of the hub,
data sets with code, and templates, which it renders without a sandbox. Its own built-in tasks are code that
was installed, and run. Knows lm_eval's inside; the one file that changes anything in it, and puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import lm_eval.api.metrics  # fills the registry of metrics
import lm_eval.api.task
import lm_eval.tasks
import lm_eval.utils
from jinja2.sandbox import SandboxedEnvironment
from lm_eval.api.registry import metric_registry
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.tasks import _yaml_loader

from saesteer.errors import InputError
from saesteer.harness.refusals import check_plain

BUILT_IN = Path(lm_eval.tasks.__file__).resolve().parent


@contextmanager
def guarded(allow_code: bool = False) -> Iterator[None]:
    """Inside, no task file runs code (`allow_code`: of its own folder and of metrics it may), and nothing
    runs code of a model's or data set's makers.
    """
    with ExitStack() as stack:

        def replace(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
            stack.enter_context(patch.object(owner, name, made(getattr(owner, name))))

        replace(lm_eval.utils, "env", _sandboxed)
        replace(datasets, "load_dataset", _without_code)
        replace(lm_eval.api.task.TaskConfig, "__post_init__", _checked)
        replace(EvaluatorConfig, "from_cli", _told)
        replace(EvaluatorConfig, "process_tasks", _told)
        if not allow_code:
            replace(_yaml_loader, "_import_func_in_yml", _built_in_only)
            replace(_yaml_loader, "_load_module_with_cache", _built_in_files)
            replace(lm_eval.api.task, "get_metric", _registered_only)
        yield


def _sandboxed(env: Any) -> SandboxedEnvironment:
    safe = SandboxedEnvironment(
        loader=env.loader, undefined=env.undefined, keep_trailing_newline=env.keep_trailing_newline
    )
    safe.filters.update(env.filters)
    return safe


def _without_code(load: Callable[..., Any]) -> Callable[..., Any]:
    def guarded_load(*given: Any, **named: Any) -> Any:
        check_plain(named, "data set argument")
        return load(*given, **named)

    return guarded_load


def _checked(post_init: Callable[..., None]) -> Callable[..., None]:
    def guarded_init(self: Any) -> None:
        check_plain(vars(self), f"task {self.task}:")
        post_init(self)

    return guarded_init


def _told(read: Callable[..., Any]) -> Callable[..., Any]:
    """What lm_eval refuses of its own options is bad input, such as a task that is not there."""

    def guarded_read(*given: Any, **named: Any) -> Any:
        try:
            return read(*given, **named)
        except ValueError as error:
            said = str(error).rstrip(".")
            raise InputError(f"{said}; see saesteer lm-eval ls tasks and lm_eval run --help") from error

    return guarded_read


def _built_in_only(load: Callable[..., Any]) -> Callable[..., Any]:
    def guarded_load(name: str, folder: Path) -> Any:
        if not Path(folder).resolve().is_relative_to(BUILT_IN):
            raise _code(f"a task file in {folder} would run the function {name}")
        return load(name, folder)

    return guarded_load


def _built_in_files(load: Callable[..., Any]) -> Callable[..., Any]:
    def guarded_load(path: Path) -> Any:
        if not Path(path).resolve().is_relative_to(BUILT_IN):
            raise _code(f"a task file would run {path}")
        return load(path)

    return guarded_load


def _registered_only(get: Callable[..., Any]) -> Callable[..., Any]:
    def guarded_get(name: str, hf_evaluate_metric: bool = False) -> Any:
        if hf_evaluate_metric or name not in metric_registry:
            raise _code(f"the metric {name!r} is none of lm_eval's own and would be fetched as a script")
        return get(name, hf_evaluate_metric)

    return guarded_get


def _code(what: str) -> InputError:
    return InputError(f"{what}; if you trust it, give --allow-code")
