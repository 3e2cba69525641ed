"""`print` rows: what a latent reads for each request, special tokens apart, and nothing is edited."""

import json

import pytest
import torch

from saesteer.harness import Asked
from saesteer.model import Tokens
from saesteer.steering import steer
from tests.harness.asking import PAIRS, everything, rolling, scoring, writing
from tests.steering import tiny

HEAD = "latent_idx,steering_coefficient,sae_release,sae_id,description,hook_action,hookpoint\n"


@pytest.fixture(scope="module")
def sae(tmp_path_factory):
    found = tmp_path_factory.mktemp("saes") / "s"
    tiny.sae(hook_name="layers.1").save(found)
    return found


@pytest.fixture
def csv(tmp_path, sae):
    def write(*rows):
        lines = [f"{latent},{amount},{sae},,d,{action},layers.1\n" for latent, amount, action in rows]
        (tmp_path / "rows.csv").write_text(HEAD + "".join(lines))
        return tmp_path / "rows.csv"

    return write


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_only_looking_leaves_every_answer_as_it_was_bit_by_bit(model, plain, csv, tmp_path):
    model.steer(Asked(csv((3, 1.0, "print"), (5, 1.0, "debug"))), tmp_path / "out" / "readings.jsonl")
    assert everything(model) == everything(plain)
    model.steer(Asked(csv((3, 1.0, "print")), strength=9.0))  # a strength is of what steers
    assert model.loglikelihood(scoring()) == plain.loglikelihood(scoring())


def test_each_request_and_latent_is_a_row_with_what_the_latent_was(model, csv, tmp_path, sae):
    out = tmp_path / "readings.jsonl"
    model.steer(Asked(csv((3, 1.0, "print"), (5, 1.0, "print"))), out)
    model.loglikelihood(scoring())
    found = {(row["doc"], row["choice"], row["latent"]): row for row in rows_of(out)}
    assert len(found) == 2 * len(PAIRS)
    for number, (context, after) in enumerate(PAIRS):
        ids = (model.tok_encode(context) or [model.prefix_token_id]) + model.tok_encode(after)
        x = model.lm.record(Tokens.of([ids[:-1]]), ["layers.1"])["layers.1"][0]
        content = torch.tensor([each > 3 for each in ids[:-1]])
        for latent in (3, 5):
            z = tiny.sae().latent(x[content], [latent])[:, 0]
            row = found[number // 2, number % 2, latent]
            assert (row["request"], row["task"], row["tokens"]) == ("loglikelihood", "t", int(content.sum()))
            assert row["sae"] == str(sae) and row["hookpoint"] == "layers.1"
            if len(z):
                assert row["max"] == pytest.approx(float(z.max()), abs=1e-5)
                assert row["mean"] == pytest.approx(float(z.mean()), abs=1e-5)
                assert row["active"] == pytest.approx(float((z > 0).float().mean()))
            else:
                assert row["max"] is None


def test_whole_texts_and_written_ones_have_rows_too(model, csv, tmp_path):
    out = tmp_path / "readings.jsonl"
    model.steer(Asked(csv((3, 1.0, "print"))), out)
    model.loglikelihood_rolling(rolling())
    model.generate_until(writing())
    found = rows_of(out)
    texts = [row for row in found if row["request"] == "loglikelihood_rolling"]
    assert {row["doc"] for row in texts} == {0, 1, 2} and len(texts) > 3  # a long text has several windows
    written = [row for row in found if row["request"] == "generate_until"]
    assert sorted(row["doc"] for row in written) == [0, 1, 2]
    assert [row["tokens"] for row in sorted(written, key=lambda row: row["doc"])][1] >= 7


def test_a_row_that_looks_beside_one_that_steers_sees_what_comes_to_it(model, csv, tmp_path):
    """Before the edits at its own hookpoint, as gates do; and the scores are the steered ones."""
    out = tmp_path / "readings.jsonl"
    path = csv((3, 0.0, "print"), (7, 8.0, "add"))
    model.steer(Asked(path), out)
    steered = model.loglikelihood(scoring())
    both = [row["max"] for row in rows_of(out)]
    model.steer(Asked(csv((3, 0.0, "print"))), out)
    assert model.loglikelihood(scoring()) != steered
    assert [row["max"] for row in rows_of(out)] == pytest.approx(both, abs=1e-5)


def test_without_a_file_rows_stay_in_memory_and_an_old_file_is_not_added_to(model, csv, tmp_path):
    path, out = csv((3, 1.0, "print")), tmp_path / "readings.jsonl"
    model.steer(Asked(path))
    model.loglikelihood(scoring(PAIRS[:2]))
    assert len(model.steered.readings.rows) == 2
    for _ in range(2):
        model.steer(Asked(path), out)
        model.loglikelihood(scoring(PAIRS[:2]))
        assert len(rows_of(out)) == 2


def test_beams_count_for_the_request_that_they_are_of(model, csv, tmp_path):
    out = tmp_path / "readings.jsonl"
    model.steer(Asked(csv((3, 1.0, "print"))), out)
    model.generate_until(writing(num_beams=2))
    assert sorted(row["doc"] for row in rows_of(out)) == [0, 1, 2]


def test_the_account_names_what_is_looked_at(model, csv, sae):
    model.steer(Asked(csv((3, 1.0, "print"))))
    found = model.get_model_info()["saesteer"]
    assert found["readings"] == [{"source": str(sae), "hookpoint": "layers.1", "latent": 3}]
    assert found["steered"] is False
    with steer(model.lm, None):
        assert tiny.hooks(model.lm) == 0
