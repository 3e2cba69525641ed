"""Exports: fields and kinds as the other projects have them, arrays that fit, files that stay inside."""

import gzip
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from saesteer.cache import LatentCache, cache_of_matrix
from saesteer.errors import InputError, UnknownName
from saesteer.examples import Explanation, Interpretation, LatentFigures, LatentId, Score
from saesteer.latents import LogitEffect, TokenEffect
from saesteer.report.exports import EXPORTS, Logits, Names, export_interpretation
from saesteer.report.exports.naming import IMPORTER, hook_name, slug, sources
from tests.report.test_latent_page import BOS, SEA_LATENT, SILENT, STRINGS, made_cache
from tests.report.test_page import HOSTILE

TEXT, NUMBER, WHOLE = (str,), (int, float), (int,)
COMMON = {
    "neg_str": [TEXT], "neg_values": [NUMBER], "pos_str": [TEXT], "pos_values": [NUMBER],
    "frac_nonzero": NUMBER, "freq_hist_data_bar_heights": [NUMBER],
    "freq_hist_data_bar_values": [NUMBER],
    "logits_hist_data_bar_heights": [NUMBER], "logits_hist_data_bar_values": [NUMBER],
    "neuron_alignment_indices": [WHOLE], "neuron_alignment_values": [NUMBER], "neuron_alignment_l1": [NUMBER],
    "correlated_neurons_indices": [WHOLE], "correlated_neurons_l1": [NUMBER],
    "correlated_neurons_pearson": [NUMBER], "correlated_features_indices": [WHOLE],
    "correlated_features_l1": [NUMBER], "correlated_features_pearson": [NUMBER],
    "decoder_weights_dist": [NUMBER],
}  # fmt: skip
PLACE = {"modelId": TEXT, "layer": TEXT, "index": TEXT}
OPTIONAL = (str, int, float, type(None))
FEATURE = COMMON | PLACE | {
    "creatorId": TEXT, "createdAt": TEXT, "sourceSetName": TEXT, "maxActApprox": NUMBER, "hasVector": (bool,),
    "vector": [NUMBER], "vectorLabel": OPTIONAL, "vectorDefaultSteerStrength": OPTIONAL, "hookName": OPTIONAL,
    "topkCosSimIndices": [WHOLE], "topkCosSimValues": [NUMBER],
}  # fmt: skip
ACTIVATION = PLACE | {
    "id": TEXT, "tokens": [TEXT], "values": [NUMBER], "maxValue": NUMBER, "maxValueTokenIndex": WHOLE,
    "minValue": NUMBER, "binMin": NUMBER, "binMax": NUMBER, "binContains": NUMBER,
    "qualifyingTokenIndex": WHOLE, "dataIndex": OPTIONAL, "dataSource": OPTIONAL, "dfaValues": [NUMBER],
    "dfaTargetIndex": OPTIONAL, "dfaMaxValue": OPTIONAL, "lossValues": [NUMBER],
    "logitContributions": OPTIONAL, "creatorId": TEXT, "createdAt": TEXT,
}  # fmt: skip
EXPLANATION = PLACE | {
    "id": TEXT, "authorId": TEXT, "description": TEXT, "embedding": OPTIONAL, "typeName": OPTIONAL,
    "explanationModelName": OPTIONAL, "triggeredById": OPTIONAL, "notes": TEXT, "createdAt": TEXT,
}  # fmt: skip
DASHBOARD_FEATURE = COMMON | {
    "feature_index": WHOLE, "n_prompts_total": WHOLE, "n_tokens_in_prompt": WHOLE, "dataset": TEXT,
    "activations": [(dict,)], "vector": [NUMBER],
}  # fmt: skip
DASHBOARD_ACTIVATION = {
    "bin_min": NUMBER, "bin_max": NUMBER, "bin_contains": NUMBER, "tokens": [TEXT], "values": [NUMBER],
    "qualifying_token_index": WHOLE,
}  # fmt: skip
NAMES = Names("tiny-model", created="2025-01-01T00:00:00")


def check(record, schema):
    """Exactly these fields, each of its kind, no number that is none."""
    assert set(record) == set(schema)
    for name, kind in schema.items():
        values = record[name] if isinstance(kind, list) else [record[name]]
        wanted = kind[0] if isinstance(kind, list) else kind
        assert isinstance(values, list), name
        for value in values:
            assert isinstance(value, wanted) and (bool in wanted or type(value) is not bool), (name, value)
            assert not isinstance(value, float) or math.isfinite(value), name


def check_feature(record):
    for name in ("freq_hist_data", "logits_hist_data"):
        assert len(record[f"{name}_bar_heights"]) == len(record[f"{name}_bar_values"])
    for name in ("neg", "pos"):
        assert len(record[f"{name}_str"]) == len(record[f"{name}_values"])
    assert 0 <= record["frac_nonzero"] <= 1


def results():
    return Interpretation(
        (Explanation(SEA_LATENT, "default", "the sea"), Explanation(SILENT, "default", None)),
        (Score(SEA_LATENT, "detection", "the sea", 0.75), Score(SEA_LATENT, "fuzzing", "the sea", None)),
        {each: LatentFigures(0.1, 2.0, 9) for each in (SEA_LATENT, SILENT)},
        {"explainers": {"default": {"client": "a model"}}},
    )


def effects(latent):
    effect = LogitEffect((TokenEffect(2, " sea", 2.5),), (TokenEffect(7, "\n", -1.5),))
    return Logits(effect, np.linspace(-1.5, 2.5, 100)) if latent == SEA_LATENT else None


def lines(path):
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


@pytest.fixture(scope="module")
def cache() -> LatentCache:
    return made_cache()


def test_the_bulk_folder_of_neuronpedia(cache, tmp_path):
    seen = []
    files = export_interpretation(
        results(), cache, tmp_path, names=NAMES, effects=effects, progress=seen.append
    )
    home = tmp_path / "tiny-model/3-saesteer"
    assert seen == ["layers.3/0", "layers.3/2"]
    assert sorted(each.relative_to(home).as_posix() for each in files) == [
        "activations/batch-0.jsonl.gz", "explanations/batch-0.jsonl.gz", "features/batch-0.jsonl.gz",
        "model.jsonl", "release.jsonl", "source.jsonl", "sourceset.jsonl",
    ]  # fmt: skip
    features = lines(home / "features/batch-0.jsonl.gz")
    assert [each["index"] for each in features] == ["0", "2"]
    for each in features:
        check(each, FEATURE)
        check_feature(each)
    sea, silent = features
    table = cache["layers.3"]
    assert (
        sea["pos_str"] == [" sea"]
        and sea["neg_values"] == [-1.5]
        and sea["hookName"] == "blocks.3.hook_resid_post"
    )
    assert sum(sea["freq_hist_data_bar_heights"]) == len(table.latent(0))
    assert sum(sea["logits_hist_data_bar_heights"]) == 100
    assert sea["frac_nonzero"] == table.statistics.density[0]
    assert silent["frac_nonzero"] == 0 and silent["freq_hist_data_bar_heights"] == []
    (explanation,) = lines(home / "explanations/batch-0.jsonl.gz")
    check(explanation, EXPLANATION)
    assert explanation["description"] == "the sea"
    assert explanation["notes"] == "saesteer, default by a model; detection 0.750"
    assert lines(home / "source.jsonl")[0]["id"] == sea["layer"]


# Columns of Neuronpedia's database that are not null and have no default (apps/webapp/prisma/schema.prisma).
NEEDED = {
    "model": {"id", "creatorId", "layers", "neuronsPerLayer", "owner"},
    "release": {"name", "description", "creatorName", "creatorId"},
    "sourceset": {"modelId", "name", "description", "creatorName", "creatorId"},
    "source": {"id", "modelId", "setName", "creatorId"},
    "features": {"modelId", "layer", "index"},
    "activations": {
        "tokens", "index", "layer", "modelId", "maxValue", "maxValueTokenIndex", "minValue", "values",
        "creatorId",
    },
    "explanations": {"id", "modelId", "layer", "index", "description", "authorId"},
}  # fmt: skip


def test_rows_have_what_neuronpedias_database_needs(cache, tmp_path):
    files = export_interpretation(results(), cache, tmp_path, names=NAMES, effects=effects)
    for file in files:
        kind = file.parent.name if file.suffix == ".gz" else file.stem
        for row in lines(file):
            assert all(row.get(name) is not None for name in NEEDED[kind]), kind
            people = {row[name] for name in ("creatorId", "authorId") if name in row}
            assert people <= {IMPORTER}, kind


def test_types_of_explanations_are_those_that_the_database_has(cache, tmp_path):
    named = replace(NAMES, explanation_type="a-type", explanation_model="a-model")
    for folder, names, expected in (("a", NAMES, (None, None)), ("b", named, ("a-type", "a-model"))):
        export_interpretation(results(), cache, tmp_path / folder, names=names)
        (row,) = lines(tmp_path / folder / "tiny-model/3-saesteer/explanations/batch-0.jsonl.gz")
        assert (row["typeName"], row["explanationModelName"]) == expected


def test_no_file_of_the_bulk_folder_is_empty(cache, tmp_path):
    bare = Interpretation((), (), {SILENT: LatentFigures(0.0, 0.0, 0)})
    files = export_interpretation(bare, cache, tmp_path, names=NAMES)
    assert {file.parent.name for file in files} == {"3-saesteer", "features"} and all(map(lines, files))


def test_rows_of_two_models_have_no_name_in_common(cache, tmp_path):
    ids = []
    for model in ("one", "two"):
        files = export_interpretation(results(), cache, tmp_path / model, names=replace(NAMES, model=model))
        ids += [row["id"] for file in files if file.suffix == ".gz" for row in lines(file) if "id" in row]
    assert len(ids) == len(set(ids))


def test_activations_say_what_is_in_the_cache(cache, tmp_path):
    export_interpretation(results(), cache, tmp_path, names=NAMES)
    found = lines(tmp_path / "tiny-model/3-saesteer/activations/batch-0.jsonl.gz")
    assert len({each["id"] for each in found}) == len(found) > 10
    for each in found:
        check(each, ACTIVATION)
        assert len(each["tokens"]) == len(each["values"])
        assert each["values"][each["maxValueTokenIndex"]] == each["maxValue"] == max(each["values"])
        assert STRINGS[BOS] not in each["tokens"]
        assert all(
            (value > 1) == (token == " sea")
            for token, value in zip(each["tokens"], each["values"], strict=True)
        )
    assert found[0]["binMin"] == found[0]["binContains"] == -1
    assert found[0]["maxValue"] == round(float(cache["layers.3"].latent(0).values.max()), 3)


def test_a_feature_as_the_api_gives_it(cache, tmp_path):
    (file,) = export_interpretation(
        results(), cache, tmp_path, "neuronpedia_api", names=NAMES, latents=[SEA_LATENT], effects=effects
    )
    record = json.loads(file.read_text())
    activations, explanations = record.pop("activations"), record.pop("explanations")
    check(record, FEATURE)
    for each in activations:
        assert each.pop("source") == "3-saesteer"
        check(each, ACTIVATION | {"binContains": OPTIONAL})
    assert explanations[0].pop("source") == "3-saesteer"
    assert explanations[0].pop("scores") == [
        {"explanationScoreTypeName": "saesteer_detection", "value": 0.75}
    ]
    check(explanations[0], EXPLANATION)
    assert (explanations[0]["typeName"], explanations[0]["explanationModelName"]) == (
        "saesteer_default", "a model",
    )  # fmt: skip
    assert file.relative_to(tmp_path).as_posix() == "tiny-model/3-saesteer/0.json"


def test_batches_of_saedashboard(cache, tmp_path):
    (file,) = export_interpretation(results(), cache, tmp_path, "sae_dashboard", names=NAMES, effects=effects)
    batch = json.loads(file.read_text())
    assert set(batch) == {"model_id", "layer", "sae_set", "sae_id_suffix", "features"}
    assert (batch["model_id"], batch["layer"], batch["sae_set"]) == ("tiny-model", 3, "saesteer")
    assert file.name == "batch-0.json" and len(batch["features"]) == 2
    for each in batch["features"]:
        check(each, DASHBOARD_FEATURE)
        check_feature(each)
        for window in each["activations"]:
            check(window, DASHBOARD_ACTIVATION)
            assert window["values"][window["qualifying_token_index"]] == max(window["values"])
    assert batch["features"][0]["n_prompts_total"] == 30 and batch["features"][0]["n_tokens_in_prompt"] == 24


def test_an_export_is_the_same_twice(cache, tmp_path):
    both = [export_interpretation(results(), cache, tmp_path / each, names=NAMES) for each in "ab"]
    assert [each.read_bytes() for each in both[0]] == [each.read_bytes() for each in both[1]]


def test_what_cannot_be_exported_is_refused(cache, tmp_path):
    with pytest.raises(UnknownName, match="neuronpedia"):
        export_interpretation(results(), cache, tmp_path, "neuronpedai")
    with pytest.raises(InputError, match="no latents to export"):
        export_interpretation(Interpretation((), (), {}), cache, tmp_path)
    with pytest.raises(InputError, match=r"latents of layers\.3 are 0 to 2, got 9"):
        export_interpretation(results(), cache, tmp_path, latents=[LatentId("layers.3", 9)])
    (tmp_path / "old").write_text("")
    with pytest.raises(InputError, match="not an empty folder"):
        export_interpretation(results(), cache, tmp_path)


@pytest.mark.parametrize("form", EXPORTS.names())
def test_hostile_names_and_tokens_stay_inside_and_are_text(form, tmp_path):
    ids = np.array([1, 2, 1, 2])
    one = cache_of_matrix(
        np.eye(4, 2, dtype=np.float32) + 0.5, ids, np.array([0, 4]), ("", "\ud800", HOSTILE)
    )
    table = one["layers.0"]
    cache = LatentCache(one.tokens, {"../../evil": table, "..": table}, one.strings, {"model": "../../m"})
    latents = [LatentId("../../evil", 0), LatentId("..", 1)]
    found = Interpretation(tuple(Explanation(each, HOSTILE, HOSTILE) for each in latents), (), {})
    out = tmp_path / "deep/out"
    files = export_interpretation(found, cache, out, form, latents=latents)
    for file in files:
        assert file.resolve().is_relative_to(out.resolve())
        text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for line in text.decode("utf-8").splitlines():
            assert "\ud800" not in json.dumps(json.loads(line), ensure_ascii=False)
    assert len({file.parent for file in files if "batch" in file.name or file.suffix == ".json"}) >= 2


def test_names():
    assert [hook_name(each) for each in ("layers.3", "layers.0.mlp", "embed", "a.b")] == [
        "blocks.3.hook_resid_post", "blocks.0.hook_mlp_out", None, None,
    ]  # fmt: skip
    assert [slug(each) for each in ("Gemma-2 2B", "../..", "é")] == ["gemma-2-2b", "unnamed", "unnamed"]
    cache = made_cache()
    table = cache["layers.3"]
    several = LatentCache(cache.tokens, {"a": table, "a!": table, "b": table}, cache.strings)
    ids = [each.id for each in sources(several, NAMES).values()]
    assert ids == ["3-saesteer__a", "3-saesteer__a-2", "3-saesteer__b"]
