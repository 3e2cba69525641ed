"""Any Hugging Face text classifier as a judge: the probability of one of its labels. Runs no code of theirs.

A text that is longer than the model reads is cut at words; behaviour is the mean over the pieces by length,
or the highest ("max"), as fits a label that one sentence can earn a whole text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from saesteer.embeddings.sentences import cut_at_words
from saesteer.errors import InputError, NotAModel, UnknownName
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.llms.options import whole
from saesteer.model.fingerprint import fingerprint
from saesteer.runs import digest
from saesteer.settings import hub_unknown, load_settings

POOLS: Final = ("mean", "max")
REVISION: Final = 1


class ClassifierJudge:
    """Behaviour: P(label), by softmax, or by sigmoid where the model's labels do not exclude each other."""

    def __init__(
        self,
        model: str | Path | tuple[Any, Any],
        label: str | int | None = None,
        pool: str = "mean",
        batch: int = 32,
        max_length: int | None = None,
        device: str | None = None,
        revision: str | None = None,
    ) -> None:
        """`model`: a folder, an id of the hub, or (model, tokenizer). `label`: by name or number;
        None where there is one, or two of which the second counts. `max_length`: tokens that are read at
        once; None: as many as the model takes.
        """
        if pool not in POOLS:
            raise UnknownName.of("pool", pool, POOLS)
        self._pool, self._batch = pool, whole("batch", batch, 1)
        where = device or load_settings().device
        self._hf, self._tokenizer = model if isinstance(model, tuple) else _loaded(str(model), revision)
        self._hf = self._hf.to(where).eval()
        self.label, self._place = _label(self._hf.config, label)
        self._length = self._longest(max_length)
        self.name = f"classifier ({self.label})"

    def fingerprint(self) -> str:
        """Of the weights, the label and how long texts are read."""
        return digest({"judge": "classifier", "revision": REVISION, "model": self._meaning,
                       "label": self._place, "pool": self._pool, "length": self._length})  # fmt: skip

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        """Equal texts are read once."""
        texts = list(dict.fromkeys(request.text for request in requests))
        found = dict(zip(texts, self.probabilities(texts), strict=True))
        return [self._judgement(*found[request.text]) for request in requests]

    def probabilities(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of the label in each text, and of how many pieces that is."""
        cut = [self._cut(text) for text in texts]
        flat = self._read([piece for pieces in cut for piece in pieces])
        found, start = [], 0
        for pieces in cut:
            values, start = flat[start : start + len(pieces)], start + len(pieces)
            lengths = [max(1, len(piece)) for piece in pieces]
            pooled = values.max() if self._pool == "max" else np.average(values, weights=lengths)
            found.append((float(pooled), len(pieces)))
        return found

    def _judgement(self, value: float, pieces: int) -> Judgement:
        if not np.isfinite(value):
            return Judgement.failed("the classifier computed no number; try another dtype or text")
        return Judgement(min(max(value, 0.0), 1.0), None, detail={"label": self.label, "pieces": pieces})

    def _read(self, pieces: Sequence[str]) -> Float[np.ndarray, " pieces"]:
        """Pieces of like lengths in one batch; one by one where nothing can pad them, as of many decoders."""
        order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
        found = np.full(len(pieces), np.nan)
        pads = self._tokenizer.pad_token_id is not None and self._hf.config.pad_token_id is not None
        batch = self._batch if pads else 1
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            given = self._tokenizer(
                [pieces[i] for i in part], padding=pads, truncation=True, max_length=self._length,
                return_tensors="pt",
            ).to(self._hf.device)  # fmt: skip
            if not given["input_ids"].numel():
                continue  # a blank text without a special token is nothing to read
            with torch.no_grad():
                found[part] = self._label_of(self._hf(**given).logits.double()).cpu().numpy()
        return found

    def _label_of(self, logits: Float[torch.Tensor, "batch labels"]) -> Float[torch.Tensor, " batch"]:
        several = getattr(self._hf.config, "problem_type", None) == "multi_label_classification"
        spread = torch.sigmoid(logits) if several or logits.shape[1] == 1 else torch.softmax(logits, 1)
        return spread[:, self._place]

    def _cut(self, text: str) -> list[str]:
        limit = self._length - self._tokenizer.num_special_tokens_to_add()
        given = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return cut_at_words(text, [start for start, _ in given["offset_mapping"]], given.word_ids(), limit)

    def _longest(self, asked: int | None) -> int:
        """At most the model's positions; padding takes some of them in the RoBERTa family."""
        special = self._tokenizer.num_special_tokens_to_add()
        config, limits = self._hf.config, [self._tokenizer.model_max_length]
        if (positions := getattr(config, "max_position_embeddings", None)) is not None:
            shift = (config.pad_token_id or 0) + 1 if "roberta" in str(config.model_type) else 0
            limits.append(positions - shift)
        if asked is not None:
            limits.append(whole("max_length", asked, special + 1))
        return min(int(each) for each in limits)

    @cached_property
    def _meaning(self) -> str:
        return digest([fingerprint(self._hf), digest(self._tokenizer.get_vocab())])


def _label(config: Any, asked: str | int | None) -> tuple[str, int]:
    """The label's name and place."""
    names = {int(place): str(name) for place, name in config.id2label.items()}
    if asked is None:
        if len(names) > 2:
            raise InputError(f"which label is the behaviour? give label, one of {', '.join(names.values())}")
        asked = max(names)
    if isinstance(asked, int) and not isinstance(asked, bool) and asked in names:
        return names[asked], asked
    for place, name in names.items():
        if str(asked).casefold() == name.casefold():
            return name, place
    raise UnknownName.of("label", asked, names.values())


def _loaded(source: str, revision: str | None) -> tuple[Any, Any]:
    """Model and tokenizer of a folder or of the hub: safetensors, and no code."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    settings, local = load_settings(), Path(source).expanduser().is_dir()
    path = str(Path(source).expanduser()) if local else source
    options: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": local or settings.offline or hub_unknown(),
    }
    if settings.hf_token is not None and not local:
        options["token"] = settings.hf_token.reveal()
    try:
        hf, report = AutoModelForSequenceClassification.from_pretrained(
            path, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
    except Exception as error:  # the loaders raise whatever a broken folder makes them stumble over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise NotAModel(
            f"{source} cannot be loaded as a text classifier: {reason}; give a folder or an id of the hub "
            "with safetensors weights"
        ) from error
    if lost := sorted(report["missing_keys"]):
        raise NotAModel(
            f"{source} lacks {len(lost)} weights of a classifier, such as {lost[0]}: nobody trained it as one"
        )
    if not tokenizer.is_fast:
        raise NotAModel(f"{source} has no tokenizer.json, without which long texts cannot be cut")
    return hf, tokenizer
