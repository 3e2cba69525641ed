"""A spec from a stranger may name an SAE of the hub: it is not downloaded on the stranger's word."""

from __future__ import annotations

import huggingface_hub
import huggingface_hub.errors
import pytest

from saesteer.errors import NotAnSAE
from saesteer.steering import SAERef, SteeringSpec, steer
from tests.steering import tiny


def test_a_spec_does_not_download(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    asked = []

    def client(repo: str, file: str, **options: object) -> str:
        asked.append(options["local_files_only"])
        raise huggingface_hub.errors.EntryNotFoundError(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", client)
    spec = SteeringSpec(tiny.latents().interventions, saes={"s": SAERef(source="stranger/repo/layers.1")})
    with (
        pytest.raises(NotAnSAE, match=r"saes\.s\.source: stranger/repo/layers\.1 in the local cache"),
        steer(tiny.llama(), spec),
    ):
        pass
    assert asked and all(asked)
