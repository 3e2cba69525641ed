"""Exports through the classes of the projects that they are for, where those are installed (no part of ours).

Run on 0.8.0 of sae-dashboard and 1.2.1 of neuronpedia, installed without what else they need.
"""

import json

import pytest

from saesteer.report.exports import export_interpretation
from tests.report.test_exports import NAMES, effects, results
from tests.report.test_latent_page import SEA_LATENT, made_cache


def test_sae_dashboard_reads_a_batch(tmp_path):
    dashboard = pytest.importorskip("sae_dashboard.neuronpedia.neuronpedia_dashboard")
    (file,) = export_interpretation(
        results(), made_cache(), tmp_path, "sae_dashboard", names=NAMES, effects=effects
    )
    record = json.loads(file.read_text())
    read = dashboard.NeuronpediaDashboardBatch(**record)
    assert read.to_dict() == record
    assert read.features == dashboard.NeuronpediaDashboardBatch(**record).features
    assert max(read.features[0].activations[0].values) == record["features"][0]["activations"][0]["bin_max"]


def test_neuronpedias_client_reads_a_feature(tmp_path):
    requests = pytest.importorskip("neuronpedia.requests.feature_request")
    (file,) = export_interpretation(
        results(),
        made_cache(),
        tmp_path,
        "neuronpedia_api",
        names=NAMES,
        latents=[SEA_LATENT],
        effects=effects,
    )
    record = json.loads(file.read_text())

    class FromFile(requests.FeatureRequest):
        """Asks a file in place of the network."""

        def __init__(self):
            pass

        def send_request(self, method, uri, **_):
            assert (method, uri) == ("GET", "tiny-model/3-saesteer/0")
            return record

    found = FromFile().get("tiny-model", "3-saesteer", 0)
    assert (found.modelId, found.source, found.index) == ("tiny-model", "3-saesteer", "0")
    assert found.density == pytest.approx(record["frac_nonzero"])
    (explanation,) = found.explanations
    assert (explanation.text, explanation.method) == ("the sea", "saesteer_default")
    assert len(found.activations) == len(record["activations"]) > 10
    first, last = found.activations[0], found.activations[-1]
    assert first.quantileFraction is None and 0 < last.quantileFraction < 1
    assert first.source == "3-saesteer" and first.tokens == record["activations"][0]["tokens"]
