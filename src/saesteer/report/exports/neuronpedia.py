"""Neuronpedia's exports: the folder that its bulk import reads, and features as its API gives them.

FOLDER/MODEL/SOURCE/model.jsonl  release.jsonl  sourceset.jsonl  source.jsonl
                    features/batch-0.jsonl.gz  activations/batch-0.jsonl.gz  explanations/batch-0.jsonl.gz
FOLDER/MODEL/SOURCE/INDEX.json          (the API's form: one feature with its activations and explanations)

What the bulk import asks of rows: a model has `layers`, `neuronsPerLayer` and `owner`; creators, types of
explanations and their models are names that the database has already; no file is empty; a row whose `id` it
has already is left out.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer.cache import LatentCache
from saesteer.examples import Explanation, Interpretation, LatentId, Score
from saesteer.report.exports.features import Effects, Feature, Window, as_json, batches, feature_of, rounded
from saesteer.report.exports.naming import Names, Source, sources
from saesteer.report.score_columns import finite
from saesteer.runs import contained, digest, write_bytes

BATCH: Final = 1024
Records = list[dict[str, Any]]


def export_neuronpedia(
    interpretation: Interpretation,
    cache: LatentCache,
    folder: str | Path,
    latents: dict[str, list[LatentId]],
    names: Names,
    effects: Effects,
    progress: Callable[[str], Any],
) -> list[Path]:
    """The folders of the bulk import, one per SAE."""
    found = []
    by_latent = _Results(interpretation)
    for sae, source in sources(cache, names).items():
        home = contained(Path(folder), f"{names.model}/{source.id}")
        for name, record in _about(source, names, cache).items():
            found.append(_lines(home / f"{name}.jsonl", [record]))
        for number, part in batches(latents.get(sae, []), BATCH):
            features, activations, explanations = _batch(
                cache, part, source, names, effects, by_latent, progress
            )
            parts = (("features", features), ("activations", activations), ("explanations", explanations))
            found += [_lines(home / name / f"batch-{number}.jsonl.gz", rows) for name, rows in parts if rows]
    return found


def export_neuronpedia_api(
    interpretation: Interpretation,
    cache: LatentCache,
    folder: str | Path,
    latents: dict[str, list[LatentId]],
    names: Names,
    effects: Effects,
    progress: Callable[[str], Any],
) -> list[Path]:
    """One JSON file per latent, as `GET /api/feature/MODEL/SOURCE/INDEX` answers."""
    found = []
    by_latent = _Results(interpretation)
    for sae, source in sources(cache, names).items():
        for latent in latents.get(sae, []):
            progress(str(latent))
            feature = feature_of(cache, latent, effects(latent))
            record = _feature(feature, source, names) | {
                "activations": [
                    _activation(each, latent, source, names) | _placed(each, source)
                    for each in feature.windows
                ],
                "explanations": [
                    _explanation(number, each, source, names, by_latent)
                    | {"source": source.id, **_named(each, by_latent)}
                    for number, each in by_latent.told(latent)
                ],
            }
            path = contained(Path(folder), f"{names.model}/{source.id}/{latent.latent}.json")
            write_bytes(path, as_json(record))
            found.append(path)
    return found


class _Results:
    """Explanations and scores by latent."""

    def __init__(self, interpretation: Interpretation) -> None:
        self.explanations: dict[LatentId, list[Explanation]] = {}
        self.scores: dict[tuple[LatentId, str | None], list[Score]] = {}
        self.clients: dict[str, str] = {}
        for each in interpretation.explanations:
            self.explanations.setdefault(each.latent, []).append(each)
        for score in interpretation.scores:
            self.scores.setdefault((score.latent, score.explanation), []).append(score)
        entries = interpretation.about.get("explainers")
        for name, entry in (entries if isinstance(entries, Mapping) else {}).items():
            if isinstance(entry, Mapping) and isinstance(entry.get("client"), str):
                self.clients[name] = entry["client"]

    def told(self, latent: LatentId) -> Iterator[tuple[int, Explanation]]:
        """The explanations of a latent that say something, and their places among all of it."""
        return ((n, each) for n, each in enumerate(self.explanations.get(latent, [])) if each.text)

    def values(self, each: Explanation) -> list[tuple[str, float]]:
        """Scorer and headline, of this explanation and of the latent itself."""
        of_it = [*self.scores.get((each.latent, each.text), []), *self.scores.get((each.latent, None), [])]
        found = ((score.scorer, finite(score.value)) for score in of_it)
        return [(scorer, value) for scorer, value in found if value is not None]

    def notes(self, each: Explanation) -> str:
        """Who says so, and how it was judged."""
        client = self.clients.get(each.explainer)
        by = f"saesteer, {each.explainer}" + (f" by {client}" if client else "")
        return "; ".join([by, *(f"{scorer} {value:.3f}" for scorer, value in self.values(each))])


def _batch(
    cache: LatentCache,
    part: list[LatentId],
    source: Source,
    names: Names,
    effects: Effects,
    results: _Results,
    progress: Callable[[str], Any],
) -> tuple[Records, Records, Records]:
    features: Records = []
    activations: Records = []
    explanations: Records = []
    for latent in part:
        progress(str(latent))
        feature = feature_of(cache, latent, effects(latent))
        features.append(_feature(feature, source, names))
        activations += [_activation(each, latent, source, names) for each in feature.windows]
        explanations += [_explanation(*each, source, names, results) for each in results.told(latent)]
    return features, activations, explanations


def _feature(feature: Feature, source: Source, names: Names) -> dict[str, Any]:
    return {
        **_place(feature.latent, source, names),
        "creatorId": names.creator_id,
        "createdAt": names.created,
        "sourceSetName": names.set,
        "maxActApprox": rounded(feature.max),
        "hasVector": False,
        "vector": [],
        "vectorLabel": None,
        "vectorDefaultSteerStrength": None,
        "hookName": source.hook,
        "topkCosSimIndices": [],
        "topkCosSimValues": [],
        **feature.common,
    }


def _activation(window: Window, latent: LatentId, source: Source, names: Names) -> dict[str, Any]:
    values = [rounded(each) for each in window.example.activations]
    low, high, share = window.ends
    return {
        "id": _id(names.model, source.id, latent.latent, window.example.start),
        **_place(latent, source, names),
        "tokens": list(window.example.tokens),
        "values": values,
        "maxValue": max(values),
        "maxValueTokenIndex": values.index(max(values)),
        "minValue": min(values),
        "binMin": low,
        "binMax": high,
        "binContains": share,
        "qualifyingTokenIndex": int(window.example.activations.argmax()),
        "dataIndex": None,
        "dataSource": None,
        "dfaValues": [],
        "dfaTargetIndex": None,
        "dfaMaxValue": None,
        "lossValues": [],
        "logitContributions": None,
        "creatorId": names.creator_id,
        "createdAt": names.created,
    }


def _placed(window: Window, source: Source) -> dict[str, Any]:
    """What Neuronpedia's own client reads beside: it takes no share below 0."""
    share = window.ends[2]
    return {"source": source.id, "binContains": share if share >= 0 else None}


def _explanation(
    number: int, each: Explanation, source: Source, names: Names, results: _Results
) -> dict[str, Any]:
    """As the bulk import takes it."""
    return {
        "id": _id(names.model, source.id, each.latent.latent, f"explanation {number}"),
        **_place(each.latent, source, names),
        "authorId": names.creator_id,
        "description": each.text,
        "embedding": None,
        "typeName": names.explanation_type or None,
        "explanationModelName": names.explanation_model or None,
        "triggeredById": None,
        "notes": results.notes(each),
        "createdAt": names.created,
    }


def _named(each: Explanation, results: _Results) -> dict[str, Any]:
    """What a reader of the API's form is told beside: nothing of it has to be in a database."""
    scores = [
        {"explanationScoreTypeName": f"saesteer_{scorer}", "value": value}
        for scorer, value in results.values(each)
    ]
    client = results.clients.get(each.explainer)
    return {"typeName": f"saesteer_{each.explainer}", "explanationModelName": client, "scores": scores}


def _about(source: Source, names: Names, cache: LatentCache) -> dict[str, dict[str, Any]]:
    by = {"creatorId": names.creator_id, "createdAt": names.created, "visibility": "PUBLIC"}
    title = names.title or f"{names.set} for {names.model}"
    release = {"name": names.release, "description": title, "descriptionShort": title, "urls": []}
    of_set = {"modelId": names.model, "name": names.set, "description": title, "releaseName": names.release}
    of_source = {"id": source.id, "modelId": names.model, "setName": names.set, "dataset": names.dataset}
    longest = int(np.diff(cache.tokens.starts).max(initial=0))
    read = {"num_prompts": len(cache.tokens.documents), "num_tokens_in_prompt": longest}
    return {
        "model": {
            "id": names.model,
            "displayName": names.model,
            "displayNameShort": names.model,
            "instruct": names.model.endswith("-it"),
            "updatedAt": names.created,
            "layers": 0,
            "neuronsPerLayer": 0,
            "owner": "",
            **by,
        },
        "release": {**release, "creatorName": names.creator, "creatorNameShort": names.creator, **by},
        "sourceset": {**of_set, "creatorName": names.creator, **by},
        "source": {**of_source, **read, **by},
    }


def _place(latent: LatentId, source: Source, names: Names) -> dict[str, str]:
    return {"modelId": names.model, "layer": source.id, "index": str(latent.latent)}


def _id(*what: str | int) -> str:
    """Of the length and letters of theirs, equal for equal exports."""
    return f"c{digest(list(what))[:24]}"


def _lines(path: Path, records: Records) -> Path:
    data = b"".join(as_json(each) + b"\n" for each in records)
    write_bytes(path, gzip.compress(data, 5, mtime=0) if path.suffix == ".gz" else data)
    return path
