"""A model in this process through vLLM: requests that wait together are one call of its LLM.chat.

Written against vLLM's documented interface (LLM, LLM.chat, SamplingParams, StructuredOutputsParams) and
tested with a stand-in of it alone: vLLM could not be installed where the tests run. Knows no prompt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

from saesteer.errors import InputError, MissingExtra
from saesteer.llms.batching import Abandoned, Batcher
from saesteer.llms.client import BadReply, Refused, Reply, Request, TokenChoice, Usage
from saesteer.llms.openai_reply import plain_line
from saesteer.llms.options import check_request, number, switch, whole
from saesteer.parsing import parse_json
from saesteer.runs import digest

_OURS: Final = {
    "model", "gpu_memory_utilization", "max_model_len", "tensor_parallel_size", "dtype", "max_num_seqs",
    "enable_prefix_caching", "max_logprobs", "quantization", "revision", "trust_remote_code",
}  # fmt: skip
REVISION: Final = 2
"""Of what is asked of vLLM: 1 asked for a JSON object where a request has a schema."""


class VLLMClient:
    """One engine, started with the first request; it holds its GPUs until `close`."""

    def __init__(
        self,
        model: str,
        memory_share: float = 0.9,
        max_length: int | None = None,
        gpus: int = 1,
        dtype: str = "auto",
        batch: int = 256,
        prefix_cache: bool = True,
        quantization: str | None = None,
        revision: str | None = None,
        max_logprobs: int = 20,
        template_options: Mapping[str, Any] | None = None,
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        """`memory_share`: of each GPU's memory, for weights and cache. `max_length`: tokens of prompt and
        answer; None: the model's own. `gpus`: GPUs over which each layer is spread. `batch`: requests that
        run at once. `template_options` go to the chat template, `engine` to vLLM's LLM beside ours.
        """
        if not isinstance(model, str) or not model.strip():
            raise InputError(f"model is a folder or an id of the Hugging Face Hub, got {model!r}")
        self._batch = whole("batch", batch, 1)
        self._settings: dict[str, Any] = {
            "model": model,
            "gpu_memory_utilization": number("memory_share", memory_share, above=0, most=1),
            "tensor_parallel_size": whole("gpus", gpus, 1),
            "dtype": dtype,
            "max_num_seqs": self._batch,
            "enable_prefix_caching": switch("prefix_cache", prefix_cache),
            "max_logprobs": whole("max_logprobs", max_logprobs, 0),
            "trust_remote_code": False,
        }
        if max_length is not None:
            self._settings["max_model_len"] = whole("max_length", max_length, 2)
        self._settings |= {
            name: value
            for name, value in {"quantization": quantization, "revision": revision}.items()
            if value is not None
        }
        self._settings |= _checked("engine", engine)
        self._options = dict(template_options or {})
        self._vllm = _vllm()
        self._engine: Any = None
        self._batcher: Batcher[Request, Reply] = Batcher(self._work, self._batch)
        self.name = model

    def __repr__(self) -> str:
        return f"VLLMClient({self.name!r})"

    def fingerprint(self) -> str:
        """Of the engine's settings that change answers, and of vLLM's version."""
        aside = {"gpu_memory_utilization", "max_num_seqs", "enable_prefix_caching", "max_logprobs"}
        kept = {name: value for name, value in self._settings.items() if name not in aside}
        version = str(getattr(self._vllm, "__version__", ""))
        made = {"client": "vllm", "revision": REVISION, "version": version}
        return digest(made | {"engine": kept, "options": self._options})

    async def complete(self, request: Request) -> Reply:
        """The answer; Refused where the prompt does not fit."""
        check_request(request)
        if request.top_logprobs > self._settings["max_logprobs"]:
            raise Refused(
                f"{request.top_logprobs} alternatives are more than max_logprobs, "
                f"{self._settings['max_logprobs']}; raise it or ask for fewer"
            )
        if self._engine is None:  # in the asking thread: engines set signal handlers, which threads may not
            self._engine = self._vllm.LLM(**self._settings)
        return await self._batcher.ask(request)

    async def close(self) -> None:
        """Wait for what runs, and let the engine go."""
        await self._batcher.close()
        self._engine = None

    # In the worker thread

    def _work(self, requests: Sequence[Request], abandoned: Abandoned) -> list[Reply | Exception]:
        try:
            outputs = self._engine.chat(
                [
                    [{"role": turn.role, "content": turn.content} for turn in each.messages]
                    for each in requests
                ],
                sampling_params=[self._params(each) for each in requests],
                use_tqdm=False,
                chat_template_kwargs=self._options or None,
            )
        except ValueError as error:  # one prompt that does not fit fails the call of all
            if len(requests) == 1:
                return [Refused(f"vLLM refuses the request: {plain_line(str(error))}")]
            return [self._work([each], abandoned)[0] for each in requests]
        return [_reply(request, each) for request, each in zip(requests, outputs, strict=True)]

    def _params(self, request: Request) -> Any:
        fields: dict[str, Any] = {"max_tokens": request.max_tokens, "temperature": request.temperature}
        if request.temperature and request.seed is not None:
            fields["seed"] = request.seed
        if request.top_logprobs:
            fields["logprobs"] = request.top_logprobs
        if request.schema or request.json:  # vLLM takes one of the two
            shape = {"json": parse_json(request.schema)} if request.schema else {"json_object": True}
            parameters = import_module("vllm.sampling_params")
            fields["structured_outputs"] = parameters.StructuredOutputsParams(**shape)
        return self._vllm.SamplingParams(**fields)


def _reply(request: Request, output: Any) -> Reply | Exception:
    usage = Usage(1, len(output.prompt_token_ids or ()))
    if not output.outputs:
        return BadReply("vLLM gave no answer to the request", usage)
    one = output.outputs[0]
    usage = replace(usage, completion_tokens=len(one.token_ids))
    if one.finish_reason not in ("stop", "length"):
        return BadReply(f"vLLM did not finish the answer: {one.finish_reason!r}", usage)
    logprobs = _logprobs(one) if request.top_logprobs else None
    lacks = int(request.top_logprobs > 0 and logprobs is None)
    return Reply(one.text, one.finish_reason, logprobs, replace(usage, without_logprobs=lacks))


def _logprobs(one: Any) -> tuple[TokenChoice, ...] | None:
    """One choice per token of the text: the end token's, which is not in it, is left out."""
    steps = list(zip(one.token_ids, one.logprobs or (), strict=False))
    if len(steps) != len(one.token_ids):
        return None
    choices = [_choice(token, step) for token, step in steps]
    told = [each for each in choices if each is not None]
    if len(told) < len(choices):
        return None
    for kept in (told, told[:-1]):
        if "".join(each.token for each in kept).strip() == one.text.strip():
            return tuple(kept)
    return None


def _choice(token: int, step: Mapping[int, Any]) -> TokenChoice | None:
    pairs = {key: (each.decoded_token or "", float(each.logprob)) for key, each in step.items()}
    if token not in pairs or not all(math.isfinite(value) for _, value in pairs.values()):
        return None
    return TokenChoice(*pairs[token], tuple(sorted(pairs.values(), key=lambda pair: -pair[1])))


def _checked(field: str, value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"{field} is a mapping of options, got {value!r}")
    found = dict(value or {})
    if taken := sorted(_OURS & set(found)):
        raise InputError(f"{field} cannot hold {', '.join(taken)}: the client has options for these")
    digest(found)  # InputError where a value cannot be recorded
    return found


def _vllm() -> Any:
    try:
        return import_module("vllm")
    except ImportError as error:
        raise MissingExtra.of("vllm", "vllm") from error
