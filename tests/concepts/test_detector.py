"""A detector as a record and as a file."""

from dataclasses import FrozenInstanceError, asdict, replace

import pytest
import yaml

from saesteer.concepts import Detector, Separation
from saesteer.errors import InputError
from saesteer.statistics import Interval

HALF = Interval(0.25, 0.5, 0.75, 0.95)
DETECTOR = Detector(
    latents=(3, 7),
    hookpoint="layers.3",
    score="z",
    threshold=-1.25,
    goal="fpr=0.05",
    concept="été\u202e",
    sae="world/layers.3",
    sae_fingerprint="ab",
    figures=Separation(10, 12, HALF, f1=HALF, graded=3),
    provenance={"seed": 0, "counts": (1, 2)},
)


@pytest.mark.parametrize("name", ["d.yaml", "d.json"])
def test_saved_and_loaded_it_is_the_same(tmp_path, name):
    path = DETECTOR.save(tmp_path / name)
    assert Detector.load(path) == DETECTOR
    plain = Detector(latents=(0,), hookpoint="layers.0")
    assert Detector.load(plain.save(path)) == plain


def test_found_is_above():
    assert [DETECTOR.found(each) for each in (-1.3, -1.25, -1.2)] == [False, False, True]
    assert replace(DETECTOR, threshold=None).found(9.0) is None
    with pytest.raises(FrozenInstanceError):
        DETECTOR.threshold = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": []}, "one or more different latents, got []"),
        ({"latents": [1, 1]}, "different latents"),
        ({"latents": [-1]}, "a latent is a number from 0, got -1"),
        ({"latents": [True]}, "a latent is a number from 0, got True"),
        ({"latents": "12"}, "latents are a list of numbers"),
        ({"score": "x"}, "score is h or z, got 'x'"),
        ({"pool": ["max"]}, "pool is text"),
        ({"threshold": "high"}, "a threshold is a finite number, got 'high'"),
        ({"threshold": float("nan")}, "a threshold is a finite number, got nan"),
        ({"version": 2}, "version is 1, got 2"),
        ({"hookpoint": 3}, "hookpoint is text, got 3"),
        ({"thresold": 1}, "did you mean 'threshold'"),
        ({"provenance": 3}, "provenance has fields"),
        ({"figures": {"auroc": 1}}, "figures are"),
        ({"figures": asdict(DETECTOR.figures) | {"auroc": {"low": 1}}}, "figures.auroc is"),
        ({"figures": asdict(DETECTOR.figures) | {"positives": "x"}}, "figures.positives is a number"),
    ],
)
def test_a_file_that_cannot_be_meant_names_its_field(tmp_path, change, message):
    path = DETECTOR.save(tmp_path / "d.yaml")
    record = yaml.safe_load(path.read_text("utf-8")) | change
    path.write_text(yaml.safe_dump(record), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Detector.load(path)
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a detector is a \.yaml or \.json file"):
        Detector.load(tmp_path / "d.txt")
    with pytest.raises(InputError, match="there is no file"):
        Detector.load(tmp_path / "d.yaml")
    (tmp_path / "d.yaml").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="a detector has fields, got list"):
        Detector.load(tmp_path / "d.yaml")
