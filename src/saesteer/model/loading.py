"""Models by registered name, folder or Hugging Face id. Runs no code of theirs and unpickles nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from saesteer.errors import CorruptFile, InputError, NotAModel, UnknownName
from saesteer.model.language_model import LanguageModel
from saesteer.names import Registry
from saesteer.runs import read_json
from saesteer.settings import hub_unknown, load_settings

# A name -> a function that gives the folder.
MODELS: Registry[Callable[[], Path]] = Registry(
    "model", {"world": "saesteer.world.assets:model_folder"}, group="saesteer.models"
)
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_TOKENIZER: Final = ("tokenizer*", "vocab*", "merges.txt", "*.model", "*.tiktoken")
_LARGE: Final = 2**30  # bytes of weights that take a while


def load_model(
    name: str | Path,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "sdpa",
    revision: str | None = None,
    model_type: str | None = None,
    tokenizer: str | Path | None = None,
) -> LanguageModel:
    """The model of a registered name ("world"), a folder or an id of the Hugging Face Hub.

    `attention`: "sdpa" or "eager"; families without sdpa (Gemma 2) get eager. `model_type`: of the family to
    read a folder as, where its own type is code of its makers; tensors that are no part of it stay unread.
    `tokenizer`: a folder or id to take it from, where the model has none. Offline (SAESTEER_OFFLINE or
    HF_HUB_OFFLINE) an id is looked up in the local cache alone.
    """
    if dtype not in DTYPES:
        raise UnknownName.of("dtype", dtype, DTYPES)
    where = _device(device)
    source = _source(name)
    options: dict[str, Any] = {
        "revision": revision,
        "local_files_only": _is_local(source),
        "trust_remote_code": False,
    }
    if (token := load_settings().hf_token) is not None:
        options["token"] = token.reveal()
    config = _tried(source, lambda: _config(source, options, model_type))
    foreign = model_type is not None
    hf = _load(source, config, attention, DTYPES[dtype], options, foreign)
    if tokenizer is None:
        words = _tokenizer(source, options)
    else:
        local = _is_local(str(tokenizer))
        words = _tokenizer(str(tokenizer), {**options, "revision": None, "local_files_only": local})
    return LanguageModel(hf.requires_grad_(False).to(where), words, name=str(name))


def _source(name: str | Path) -> str:
    """The folder or id to load from."""
    if isinstance(name, str) and name in MODELS:
        return str(MODELS.get(name)())
    path = _home(Path(name))
    if os.path.isdir(path):  # not Path.is_dir, which raises for a name that is too long
        if not (path / "config.json").is_file():
            raise NotAModel(f"{name} is not a model: it has no config.json; give a Hugging Face folder")
        return str(path)
    if os.path.isfile(path):
        raise NotAModel(f"{name} is a file; give the folder with config.json and the safetensors weights")
    if str(name).startswith((".", "/", "~")) or str(name).count("/") > 1:
        raise NotAModel(f"there is no folder {name}; known names: {', '.join(MODELS.names())}")
    return str(name)


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a user that is not there
        return path


def _is_local(source: str) -> bool:
    return os.path.isdir(source) or load_settings().offline or hub_unknown()


def _device(device: str) -> torch.device:
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA raises the second
        raise InputError(f"the device {device!r} cannot be used ({_line(error)}); try 'cpu'") from error
    return where


def _config(source: str, options: dict[str, Any], model_type: str | None) -> Any:
    if model_type is None:
        return AutoConfig.from_pretrained(source, **options)
    fields = read_json(Path(source) / "config.json")
    if not isinstance(fields, dict):
        raise ValueError("its config.json holds no fields")
    code = ("model_type", "auto_map", "architectures")
    return AutoConfig.for_model(model_type, **{key: each for key, each in fields.items() if key not in code})


def _load(
    source: str, config: Any, attention: str, dtype: torch.dtype, options: dict[str, Any], foreign: bool
) -> Any:
    if attention not in ("sdpa", "eager"):
        raise UnknownName.of("attention", attention, ("sdpa", "eager"))
    kind = AutoModelForCausalLM._model_mapping.get(type(config), None)
    if kind is None:
        raise NotAModel(f"{source} is a {config.model_type} model, which is no causal language model")
    given = {"config": config} if foreign else {}  # not the folder's own, which names code
    if attention == "sdpa" and not getattr(kind, "_supports_sdpa", False):
        attention = "eager"
    with _quiet_if_small(source):
        hf, report = _tried(
            source,
            lambda: AutoModelForCausalLM.from_pretrained(
                source,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                output_loading_info=True,
                **given,
                **options,
            ),
        )
    if lost := sorted(report["missing_keys"]):
        raise NotAModel(
            f"{source} lacks {len(lost)} weights, such as {lost[0]}; they belong to another config"
        )
    return hf


def _tokenizer(source: str, options: dict[str, Any]) -> Any:
    """The tokenizer, or None where there is none; one that is there and cannot be read is an error."""
    folder = Path(source)
    if os.path.isdir(source) and not any(file for kind in _TOKENIZER for file in folder.glob(kind)):
        return None
    try:
        found = AutoTokenizer.from_pretrained(source, **options)
    except Exception as error:  # tokenizers raises bare exceptions
        if isinstance(error, OSError) and not os.path.isdir(source):
            return None
        raise CorruptFile(
            f"the tokenizer of {source} cannot be read ({_line(error)}); get it anew"
        ) from error
    few = len(found) < 64  # without files some families make one of special tokens alone
    return None if few and set(found.get_vocab().values()) <= set(found.all_special_ids) else found


@contextmanager
def _quiet_if_small(source: str) -> Iterator[None]:
    """No progress bar for weights that are there at once."""
    weights = list(Path(source).glob("*.safetensors")) if os.path.isdir(source) else []
    small = bool(weights) and sum(file.stat().st_size for file in weights) < _LARGE
    if not (small and logging.is_progress_bar_enabled()):
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _tried(source: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except SafetensorError as error:
        raise CorruptFile(f"{source} holds broken weights ({_line(error)}); get them anew") from error
    except (OSError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        known = ", ".join(MODELS.names())
        offline = " (offline: only local files)" if _is_local(source) and not os.path.isdir(source) else ""
        raise NotAModel(
            f"{source} cannot be loaded as a language model{offline}: {_line(error)}; "
            f"give a folder, an id of the Hugging Face Hub or one of {known}"
        ) from error


def _line(error: BaseException) -> str:
    """The first line of a message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
