"""A language model: texts to tokens, logits, activations and continuations, edited inside `intervening`.

Knows hookpoints and no SAE, no spec and no method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import Context
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError, MissingHookpoint
from saesteer.model.addresses import AddressBook
from saesteer.model.fingerprint import fingerprint
from saesteer.model.generation import Job, Row, run
from saesteer.model.generations import Generation, Generations
from saesteer.model.hooks import AllRecorded, Edit, HookBoard, Recorder
from saesteer.model.rows import Rows, explicit_rows, rows
from saesteer.model.sampling import Sampling
from saesteer.model.sites import Site
from saesteer.model.tokens import Side, Tokens, as_ids, encode, special_tokens

_LOGITS_AT_ONCE = 2**26  # values of logits that nll holds at a time


class LanguageModel:
    """A Hugging Face causal language model, put into evaluation mode and otherwise left as it is."""

    def __init__(self, hf: Any, tokenizer: Any = None, name: str = "", batch_tokens: int = 16384) -> None:
        """`batch_tokens`: padded tokens, generated ones included, that one forward batch may hold."""
        self.hf = hf.eval()
        self.tokenizer = tokenizer
        self.name = name or str(getattr(hf.config, "_name_or_path", "")) or type(hf).__name__
        self.batch_tokens = batch_tokens
        self._book = AddressBook(hf)
        self._special = special_tokens(tokenizer, hf.config, self.vocab_size)
        self._board = HookBoard(hf, self._book, self._special)
        self._shapes: dict[Site, tuple[int, ...]] = {}
        self._fingerprint: str | None = None

    def __repr__(self) -> str:
        return (
            f"LanguageModel({self.name!r}, {self._book.model_type}, {self.n_layers} layers, "
            f"{str(self.dtype).removeprefix('torch.')}, {self.device})"
        )

    @property
    def n_layers(self) -> int:
        return self._book.n_layers

    @property
    def device(self) -> torch.device:
        return torch.device(self.hf.device)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.hf.parameters()).dtype

    @property
    def vocab_size(self) -> int:
        """How many tokens the model has embeddings for."""
        return int(self.hf.get_input_embeddings().weight.shape[0])

    @property
    def max_positions(self) -> int | None:
        """How long a row may be, or None where the config does not say."""
        return getattr(self.hf.config, "max_position_embeddings", None)

    def fingerprint(self) -> str:
        """A hash of the model's kind and a sample of its weights."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self.hf)
        return self._fingerprint

    @property
    def arithmetic(self) -> dict[str, str]:
        """What the fingerprint leaves out and the last bits depend on: `dtype` and `attention`."""
        attention = getattr(self.hf.config, "_attn_implementation", None)
        return {"dtype": str(self.dtype).removeprefix("torch."), "attention": str(attention)}

    # Hookpoints

    def hookpoints(self) -> list[str]:
        """Every canonical address, in the order of computation; none where the family is unknown."""
        return self._book.names()

    def hookpoint(self, address: str) -> str:
        """The canonical spelling of an address; MissingHookpoint where there is none."""
        return self._book.site(address).address

    def width(self, address: str) -> int:
        """The size of an activation's last dimension."""
        return self.shape(address)[-1]

    def shape(self, address: str) -> tuple[int, ...]:
        """The size of an activation after [batch, seq]: (d,), or (heads, d) where heads have an axis."""
        site = self._book.site(address)
        if site not in self._shapes:  # asked of the model itself, free of any plan: one token, up to here
            one = Tokens.of([[0]]).to(self.device)
            self._shapes |= _shapes(Context().run(self._capture, one, {site}, None))
        return self._shapes[site]

    @property
    def d_head(self) -> int | None:
        """The width of an attention head, or None where the config does not say."""
        config = self.hf.config.get_text_config()
        stated = getattr(config, "head_dim", None)
        heads, width = (getattr(config, key, None) for key in ("num_attention_heads", "hidden_size"))
        return int(stated) if stated else int(width) // int(heads) if width and heads else None

    @contextmanager
    def intervening(self, edits: Sequence[Edit], requests: int | None = None) -> Iterator[None]:
        """Inside, this context's calls of the model, of `lm.hf` too, are edited in this order.

        `requests`: how many requests the rows of a call are shared out among; None: each row is one.
        """
        if requests is not None and requests < 1:
            raise InputError(f"requests is at least 1, got {requests}")
        placed = [(self._book.site(edit.hookpoint), edit) for edit in edits]
        with self._board.plan(placed, requests):
            yield

    def rows(self, requests: Sequence[int]) -> AbstractContextManager[None]:
        """Inside, the rows of a direct call of `lm.hf` belong to these requests, in whatever order."""
        return rows(explicit_rows(requests, self.device))

    def hooks_installed(self) -> int:
        """How many sites have hooks now, for any thread; 0 outside every plan."""
        return self._board.installed()

    # Text to tensors

    def tokenize(
        self,
        texts: Sequence[str],
        bos: bool = True,
        side: Side = "right",
        max_length: int | None = None,
    ) -> Tokens:
        """Rows of tokens on the model's device; `bos`: one BOS in front where the tokenizer has one."""
        found = encode(self.tokenizer, texts, bos, max_length, self.vocab_size)
        return Tokens.of(found, side).to(self.device)

    def logits(
        self, tokens: Tokens, prompt: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch seq vocab"]:
        """Logits at every position; `prompt`: how much of each row is prompt (None: all), for edits."""
        with torch.no_grad():
            parts = [self._forward(part, known).logits for part, known in self._parts(tokens, prompt)]
        return torch.cat(parts)

    def nll(
        self, tokens: Tokens, prompt: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch seq-1"]:
        """-ln p of each token after the first, in nats; 0 where it or the one before it is padding."""
        tokens = tokens.to(self.device)
        budget = max(1, min(self.batch_tokens, _LOGITS_AT_ONCE // self.vocab_size))
        losses = []
        with torch.no_grad():
            for part, known in self._parts(tokens, prompt, budget):
                logits = self._forward(part, known).logits[:, :-1].float()
                target = part.ids[:, 1:, None]
                loss = logits.logsumexp(-1) - logits.gather(-1, target).squeeze(-1)
                losses.append(loss.masked_fill(~(part.mask[:, 1:] & part.mask[:, :-1]), 0.0))
        return torch.cat(losses)

    def record(
        self, tokens: Tokens, at: Sequence[str], prompt: Int[Tensor, " batch"] | None = None
    ) -> dict[str, Float[Tensor, "batch seq d"]]:
        """Activations by the addresses as given, after any edits there; 0 at padding."""
        if isinstance(at, str):
            raise InputError(f"at is a list of hookpoints, got the string {at!r}; put it in a list")
        sites = {address: self._book.site(address) for address in at}
        if not sites:
            return {}
        with torch.no_grad():
            parts = [
                self._capture(part, set(sites.values()), known) for part, known in self._parts(tokens, prompt)
            ]
        whole = {site: torch.cat([part[site] for part in parts]) for site in set(sites.values())}
        self._shapes |= _shapes(whole)
        return {address: whole[site] for address, site in sites.items()}

    # Text to text

    def generate(
        self,
        prompts: Sequence[str] | Tokens,
        n: int = 1,
        max_new_tokens: int = 40,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: bool = True,
    ) -> Generations:
        """`n` continuations of each prompt (request); `stop`: a row ends at the model's end token."""
        how = Sampling(temperature, top_k, top_p)
        ids = self._prompt_ids(prompts)
        self._check_length(max(map(len, ids), default=0) + max_new_tokens)
        ends = frozenset(self.end_tokens()) if stop else frozenset()
        with torch.no_grad():
            made = run(self.hf, Job(ids, n, max_new_tokens, how, seed, ends, self.batch_tokens))
        texts = self._continuations(ids, made)
        named = [""] * len(ids) if isinstance(prompts, Tokens) else list(prompts)
        asked: dict[str, Any] = {"prompts": len(ids), "n": n, "max_new_tokens": max_new_tokens}
        asked |= {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed, "stop": stop}
        return Generations(
            tuple(
                Generation(row.request, row.sample, named[row.request], text, row.ids, row.ended)
                for row, text in zip(made, texts, strict=True)
            ),
            {"model": self.name, **self.arithmetic, **asked},
        )

    # Inside

    def _parts(
        self, tokens: Tokens, prompt: Tensor | None, budget: int | None = None
    ) -> Iterator[tuple[Tokens, Rows]]:
        """Batches of rows in order, whose boundaries follow from the shape alone, so that results repeat."""
        if not tokens.ids.numel():
            raise InputError(f"there are no tokens to compute: got {list(tokens.ids.shape)}")
        self._check_length(int(tokens.lengths().max()))
        if (wrong := int(tokens.ids.max())) >= self.vocab_size or int(tokens.ids.min()) < 0:
            raise InputError(
                f"{self.name} knows the tokens 0 to {self.vocab_size - 1}, got {wrong}; "
                "tokenize with the model's own tokenizer"
            )
        tokens = tokens.to(self.device)
        size = max(1, (budget or self.batch_tokens) // tokens.ids.shape[1])
        index = torch.arange(len(tokens), device=self.device)
        prompt = None if prompt is None else prompt.to(self.device)
        for low in range(0, len(tokens), size):
            part = slice(low, low + size)
            yield (
                tokens[part],
                Rows(index[part], len(tokens), prompt=None if prompt is None else prompt[part]),
            )

    def _forward(self, tokens: Tokens, known: Rows | None) -> Any:
        where = {}
        if not bool(tokens.mask.all()):
            where = {"attention_mask": tokens.mask.long(), "position_ids": tokens.positions()}
        if known is None:
            return self.hf(input_ids=tokens.ids, use_cache=False, **where)
        with rows(known):
            return self.hf(input_ids=tokens.ids, use_cache=False, **where)

    def _capture(self, tokens: Tokens, sites: set[Site], known: Rows | None) -> dict[Site, Tensor]:
        recorder = Recorder(frozenset(sites))
        with self._board.plan(recorder=recorder), torch.no_grad(), suppress(AllRecorded):
            self._forward(tokens, known)
        for site in sites - set(recorder.taken):
            raise MissingHookpoint(f"{site.address}: the model does not call its module {site.module}")
        if bool(tokens.mask.all()):
            return recorder.taken
        return {site: _without_padding(site, x, tokens) for site, x in recorder.taken.items()}

    def _check_length(self, longest: int) -> None:
        if self.max_positions is not None and longest > self.max_positions:
            raise InputError(
                f"{longest} tokens in a row do not fit the model's {self.max_positions} positions; "
                "shorten the text (max_length) or generate less (max_new_tokens)"
            )

    def _prompt_ids(self, prompts: Sequence[str] | Tokens) -> list[list[int]]:
        if not isinstance(prompts, Tokens):
            return encode(self.tokenizer, prompts, True, None, self.vocab_size)
        found = [row[mask].tolist() for row, mask in zip(prompts.ids, prompts.mask, strict=True)]
        if not all(found):
            raise InputError("a prompt has no content; each needs one token at least")
        return found

    def end_tokens(self) -> set[int]:
        """The end tokens that the tokenizer, the config and the generation config name."""
        generation = getattr(self.hf, "generation_config", None)
        named = {*as_ids(getattr(generation, "eos_token_id", None))}
        named |= {*as_ids(getattr(self.hf.config, "eos_token_id", None))}
        return named | {*as_ids(getattr(self.tokenizer, "eos_token_id", None))}

    def _continuations(self, prompts: list[list[int]], made: list[Row]) -> list[str]:
        """What each row adds to its prompt's text, with a leading space that decoding it alone might drop."""
        if self.tokenizer is None:
            return [""] * len(made)
        before = self._decode(prompts)
        whole = self._decode([[*prompts[row.request], *row.ids] for row in made])
        alone: dict[int, str] = {}
        for number, (row, text) in enumerate(zip(made, whole, strict=True)):
            if not text.startswith(before[row.request]):  # the prompt ends within a character
                alone[number] = self._decode([list(row.ids)])[0]
        return [
            alone.get(number, text[len(before[row.request]) :])
            for number, (row, text) in enumerate(zip(made, whole, strict=True))
        ]

    def _decode(self, ids: list[list[int]]) -> list[str]:
        if not ids:  # of which transformers makes one empty text
            return []
        return list(
            self.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )


def _shapes(taken: dict[Site, Tensor]) -> dict[Site, tuple[int, ...]]:
    """What comes after [batch, seq]; some modules see all tokens of a batch in one row, [tokens, d]."""
    return {site: tuple(x.shape[2:] or x.shape[-1:]) for site, x in taken.items()}


def _without_padding(site: Site, x: Tensor, tokens: Tokens) -> Tensor:
    if x.shape[:2] != tokens.ids.shape:
        raise MissingHookpoint(
            f"{site.address} has the shape {list(x.shape)}, not [batch, seq, ...]; it cannot be read by token"
        )
    return x.masked_fill(~tokens.mask[(..., *[None] * (x.ndim - 2))], 0.0)
