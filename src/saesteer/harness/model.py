"""lm_eval's Hugging Face model, steered: every kind of request, by any spec.

Registered with lm_eval as `saesteer`, and as `sae_steered_beta` for command lines of its pull request 2641.
Nothing of saesteer imports this file: lm_eval finds it by the entry point `lm_eval.models`, or by `register`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from saesteer.errors import InputError, MissingExtra
from saesteer.harness.asked import FILES, OPTIONS, Asked
from saesteer.harness.refusals import check_plain
from saesteer.harness.scoring import Answer, Line, answers, lines_of, tokens_of
from saesteer.harness.steered import Steered
from saesteer.model import MODELS, LanguageModel

try:
    from lm_eval.api.registry import register_model
    from lm_eval.models.huggingface import HFLM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
except ImportError as error:
    raise MissingExtra.of("lm_eval", "lm-eval") from error

_ELSEWHERE: Final = ("parallelize", "tp_plan", "peft", "delta")
"""Model arguments under which hooks of one process and one plain model do not see every activation."""
_NEVER: Final = 2**62


@register_model("saesteer", "sae_steered_beta")
class SteeredLM(HFLM):
    """`pretrained` (or `base_name`) and `spec` (or `csv_path`, `steer_path`); the rest as of `--model hf`."""

    def __init__(
        self,
        pretrained: str | None = None,
        base_name: str | None = None,
        readings: str | None = None,
        device: str | None = None,
        **arguments: Any,
    ) -> None:
        if pretrained is not None and base_name is not None:
            raise InputError("pretrained and base_name name a model each; give one of them")
        check_plain(arguments, "model argument")
        ours: dict[str, Any] = {key: arguments.pop(key) for key in (*FILES, *OPTIONS) if key in arguments}
        asked = Asked.of(ours)
        if given := [key for key in _ELSEWHERE if arguments.get(key)]:
            raise InputError(f"{given[0]} is not steered; merge adapters first, and use one device")
        name = pretrained or base_name or "world"
        source = name
        if name in MODELS:
            source = str(MODELS.get(name)())
            arguments.setdefault("dtype", "float32")  # as load_model has it
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        super().__init__(pretrained=source, device=where, **arguments)
        if self.backend != "causal":
            raise InputError(f"{name} is a {self.backend} model; causal language models are steered")
        self.lm = LanguageModel(self.model, self.tokenizer, name, batch_tokens=_NEVER)
        self._asked: Sequence[Any] | None = None
        self._waiting: dict[str, list[Any]] = {}
        self._contexts: list[str] = []
        self.steer(asked, None if readings is None else Path(readings))

    def steer(self, asked: Asked, readings: Path | None = None) -> None:
        """From now on answer so."""
        self.steered = Steered(self.lm, asked, readings)

    def get_model_info(self) -> dict[str, Any]:
        """lm_eval's account of the model, with ours under `saesteer`."""
        return dict(super().get_model_info()) | {"saesteer": self.steered.account()}

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Take lm_eval's file of answers (`--use_cache`), unless its answers were steered otherwise."""
        if cache_hook.dbdict is not None:
            _check_cache(cache_hook.dbdict, self.steered.key())
        super().set_cache_hook(cache_hook)

    # Scoring

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Answer]:
        with self._naming(requests):
            return list(super().loglikelihood(requests, disable_tqdm=disable_tqdm))

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        owners, windows = self._windows(requests)
        if self.steered.active or self.steered.readings:
            with self._naming([requests[each] for each in owners]):
                scores = self._score(windows)
        if not self.steered.active:
            return list(super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm))
        found = [0.0] * len(requests)
        for owner, (value, _) in zip(owners, scores, strict=True):
            found[owner] += value
        for request, value in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, value)
        return found

    def _windows(self, requests: Sequence[Any]) -> tuple[list[int], list[Any]]:
        """Each text in pieces that fit the model, and whose they are."""
        owners, windows = [], []
        for number, request in enumerate(requests):
            pieces = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            for context, continuation in map(make_disjoint_window, pieces):
                owners.append(number)
                windows.append((None, context, continuation))
        return owners, windows

    def _loglikelihood_tokens(
        self, requests: list[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[Answer]:
        """The plain model's scores are lm_eval's own, bit by bit; steered ones are ours."""
        scored = self._score(requests) if self.steered.active or self._asked is not None else []
        if self.steered.active:
            return scored
        return list(super()._loglikelihood_tokens(requests, disable_tqdm, override_bs))

    def _score(self, requests: Sequence[Any]) -> list[Answer]:
        found: dict[int, Answer] = {}
        lines = lines_of([(context, after) for _, context, after in requests], self.max_length)
        for batch in self._batches(lines):
            tokens, prompt = tokens_of(batch, self.device)
            self.steered.readings.begin(len(batch))
            with self.steered.running(reads=self._asked is not None), self._arithmetic():
                logits = self.lm.logits(tokens, prompt)
            for number, answer in answers(batch, logits, self.softmax_dtype):
                found[number] = answer
                if requests[number][0] is not None:
                    self.cache_hook.add_partial("loglikelihood", requests[number][0], answer)
            if self._asked is not None:
                named = [(row, number) for row, line in enumerate(batch) for number, _ in line.asked]
                self.steered.readings.note([(row, _name(self._asked[number])) for row, number in named])
        return [found[number] for number in range(len(requests))]

    def _batches(self, lines: list[Line]) -> Iterator[list[Line]]:
        size = self.batch_size
        if size == "auto" and lines:
            size = self._detect_batch_size([(None, list(lines[0].ids), [0])], 0)
            self.batch_sizes = {0: size}
        for low in range(0, len(lines), size if lines else 1):
            yield lines[low : low + size]

    def _model_call(self, *given: Any, **named: Any) -> torch.Tensor:
        with self.steered.running():
            found: torch.Tensor = super()._model_call(*given, **named)
        return found

    def _arithmetic(self) -> torch.autocast:
        """As lm_eval's own calls have it."""
        dtype = self.mixed_precision_dtype
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    # Writing

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        self._waiting = {}
        for each in requests:
            self._waiting.setdefault(each.args[0], []).append(each)
        return list(super().generate_until(requests, disable_tqdm=disable_tqdm))

    def tok_batch_encode(self, strings: list[str], *given: Any, **named: Any) -> Any:
        self._contexts = list(strings)
        return super().tok_batch_encode(strings, *given, **named)

    def _model_generate(self, context: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        check_plain(named, "generation argument")
        self.steered.readings.begin(len(context))
        with self.steered.running(len(context), reads=True):
            found: torch.Tensor = super()._model_generate(context, *given, **named)
        if self.steered.readings:
            asked = [self._waiting[each].pop(0) for each in self._contexts]
            self.steered.readings.note([(row, _name(each)) for row, each in enumerate(asked)])
        return found

    @contextmanager
    def _naming(self, requests: Sequence[Any]) -> Iterator[None]:
        """Inside, tokens that are scored belong to these requests, where anybody reads along."""
        self._asked = requests if self.steered.readings else None
        try:
            yield
        finally:
            self._asked = None


def _name(request: Any) -> Mapping[str, Any]:
    """What tells a request from others of a run."""
    return {
        "request": request.request_type,
        "task": request.task_name,
        "doc": request.doc_id,
        "choice": request.idx,
    }


_MARK: Final = "saesteer"


def _check_cache(answered: Any, key: str) -> None:
    """Refuse answers of another setting; note ours in a new file."""
    noted = answered.get(_MARK)
    if noted is None and key and not len(answered):
        answered[_MARK] = noted = key
    if (noted or "") != key:
        raise InputError(
            "the cache of answers is of another spec or strength, or of the plain model, which lm_eval does "
            "not tell apart; give --use_cache another path"
        )
