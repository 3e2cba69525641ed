"""A Hugging Face model in this process: requests that wait together are one batch. Knows no prompt.

The model runs in one worker thread, outside of any steering that the asking code stands in.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saesteer.errors import InputError
from saesteer.llms.batching import Abandoned, Batcher
from saesteer.llms.chat_text import alternatives, pieces, prompt_ids, stops, templated, text_after
from saesteer.llms.client import BadReply, ClientError, Message, Refused, Reply, Request, TokenChoice, Usage
from saesteer.llms.generating import Generator, Made, Prompt
from saesteer.llms.options import check_request, switch, whole
from saesteer.model import LanguageModel, load_model
from saesteer.runs import digest
from saesteer.settings import load_settings

_Job = tuple[Request, list[int]]


class HFClient:
    """Chat template where the tokenizer has one; greedy, or sampled with the request's seed."""

    def __init__(
        self,
        model: str | Path | LanguageModel | tuple[Any, Any],
        dtype: str = "float32",
        device: str | None = None,
        batch: int = 16,
        max_length: int | None = None,
        prefix_cache: bool = True,
        template_options: Mapping[str, Any] | None = None,
    ) -> None:
        """`model`: a name for load_model, a LanguageModel, or (Hugging Face model, tokenizer). `device`: None
        takes SAESTEER_DEVICE. `batch`: requests that are computed together. `max_length`: tokens of prompt
        and answer; None: the model's positions. `template_options` go to the chat template
        (enable_thinking, ...).
        """
        self._batch = whole("batch", batch, 1)
        self._prefix_cache = switch("prefix_cache", prefix_cache)
        if template_options is not None and not isinstance(template_options, Mapping):
            raise InputError(f"template_options is a mapping, got {template_options!r}")
        self._options = dict(template_options or {})
        longest = None if max_length is None else whole("max_length", max_length, 2)
        self._lm = _loaded(model, dtype, device)
        if self._lm.tokenizer is None:
            raise InputError(f"{self._lm.name} has no tokenizer; give (model, tokenizer)")
        limits = [each for each in (longest, self._lm.max_positions) if each is not None]
        self._longest = min(limits, default=None)
        self._generator = Generator(self._lm, prefix_cache)
        self._batcher: Batcher[_Job, Reply] = Batcher(self._work, self._batch)
        self.name = self._lm.name

    def __repr__(self) -> str:
        return f"HFClient({self._lm!r})"

    async def complete(self, request: Request) -> Reply:
        """The answer; Refused where the prompt is too long for the model."""
        check_request(request)
        ids = prompt_ids(self._lm.tokenizer, request.messages, self._lm.vocab_size, self._options)
        if not ids:
            raise Refused("the prompt has no tokens; write something")
        if self._longest is not None and len(ids) >= self._longest:
            raise Refused(
                f"the prompt has {len(ids)} tokens and {self.name} reads {self._longest}, the answer "
                "included; give fewer or shorter examples"
            )
        if max(ids) >= self._lm.vocab_size:
            raise Refused(f"the tokenizer makes token {max(ids)}, which {self.name} does not know")
        return await self._batcher.ask((request, ids))

    def rendered(self, messages: Sequence[Message]) -> str:
        """The conversation as the model's chat template writes it; "" where it has none."""
        return templated(self._lm.tokenizer, messages, self._options) or ""

    def fingerprint(self) -> str:
        """Of weights, arithmetic, chat template and limits."""
        tokenizer = self._lm.tokenizer
        return digest(
            {
                "client": "hf",
                "model": self._lm.fingerprint(),
                "arithmetic": self._lm.arithmetic,
                "template": str(getattr(tokenizer, "chat_template", None)),
                "words": digest(tokenizer.get_vocab()),
                "options": self._options,
                "longest": self._longest,
            }
        )

    async def close(self) -> None:
        await self._batcher.close()

    # In the worker thread

    def _work(self, jobs: Sequence[_Job], abandoned: Abandoned) -> list[Reply | Exception]:
        made = self._generator.run([self._prompt(request, ids) for request, ids in jobs], abandoned)
        return [self._reply(request, ids, each) for (request, ids), each in zip(jobs, made, strict=True)]

    def _prompt(self, request: Request, ids: list[int]) -> Prompt:
        room = request.max_tokens if self._longest is None else self._longest - len(ids)
        seed = random.SystemRandom().getrandbits(62) if request.seed is None else request.seed
        return Prompt(
            tuple(ids), min(request.max_tokens, room), request.temperature, seed, request.top_logprobs
        )

    def _reply(self, request: Request, ids: list[int], made: Made) -> Reply | ClientError:
        usage = Usage(1, len(ids), made.computed)
        if made.ended == "broken":
            return BadReply(f"{self.name} computed logits that are no numbers; try another dtype", usage)
        tokenizer, ended = self._lm.tokenizer, "stop" if made.ended == "stop" else "length"
        logprobs = None
        if request.top_logprobs:
            choices = self._choices(ids[-1], made)
            text = "".join(each.token for each in choices)
        else:
            text = text_after(tokenizer, ids[-1], made.ids)
        if places := [text.index(stop) for stop in stops(tokenizer, request.messages) if stop in text]:
            text, ended = text[: min(places)], "stop"
        if request.top_logprobs:
            logprobs = _up_to(choices, len(text))
        return Reply(text, "stop" if ended == "stop" else "length", logprobs, usage)

    def _choices(self, before: int, made: Made) -> list[TokenChoice]:
        words = pieces(self._lm.tokenizer, before, made.ids)
        found = []
        steps = zip(made.ids, words, made.logprobs, made.top, strict=True)
        for token, word, logprob, top in steps:
            texts = alternatives(self._lm.tokenizer, before, [each for each, _ in top])
            pairs = [
                (word if other == token else text, value)
                for text, (other, value) in zip(texts, top, strict=True)
            ]
            if token not in {each for each, _ in top}:
                pairs.append((word, logprob))
            found.append(TokenChoice(word, logprob, tuple(pairs)))
            before = token
        return found


def _up_to(choices: Sequence[TokenChoice], length: int) -> tuple[TokenChoice, ...]:
    """The choices of the first so many characters."""
    found, said = [], 0
    for each in choices:
        if said >= length and each.token:
            break
        said += len(each.token)
        found.append(each)
    return tuple(found)


def _loaded(
    model: str | Path | LanguageModel | tuple[Any, Any], dtype: str, device: str | None
) -> LanguageModel:
    if isinstance(model, LanguageModel):
        return model
    if isinstance(model, str | Path):
        return load_model(model, dtype, device or load_settings().device)
    if isinstance(model, tuple) and len(model) == 2:
        return LanguageModel(*model)
    raise InputError(f"model is a name, a LanguageModel or (model, tokenizer), got {type(model).__name__}")
