"""saesteer interpret, explain, score, and find in what they found: on a tiny model, by the oracle."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saesteer.cli.interpret import _command
from saesteer.cli.main import main
from saesteer.examples import Explanation, Interpretation, LatentId, Score
from saesteer.pipeline.interpretation import Results, load_results, save_results
from tests.cli import tiny

SMALL = ["--set", "min_windows=8", "--set", "train=6", "--set", "test=4", "--set", "negatives=4"]
SMALL += ["--set", "silent_train=6", "--set", "length=16"]


@pytest.fixture(scope="module")
def plan(place, tmp_path_factory):
    """A config for the tiny model, and the folder of its finished run."""
    root = tmp_path_factory.mktemp("interpreted")
    path = root / "plan.yaml"
    path.write_text(
        f"""
model: {place.model}
saes: {place.sae}
texts: {place.texts}
tokens: 5000
latents: 6
examples: {{min_windows: 8, train: 6, test: 4, negatives: 4, silent_train: 6, length: 16}}
explainer: {{name: token_statistics, least: 2}}
scorers: [detection, {{name: fuzzing, n_shown: 3}}, intruder, {{name: embedding, embedder: hashed_words}}]
client: oracle
out: {root / "run"}
"""
    )
    return path


@pytest.fixture(scope="module")
def ran(plan):
    done = tiny.process("interpret", plan, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    return plan.parent / "run", json.loads(done.stdout)


def test_a_file_to_explanations_scores_and_pages(ran, plan):
    folder, record = ran
    found = load_results(folder)
    assert record["explanations"] == len(found.explanations) == 6 and record["explained"] >= 3
    said = {each["scorer"]: each for each in record["scorers"]}
    assert set(said) == {"detection", "fuzzing", "intruder", "embedding"}
    assert said["detection"]["headline"] == "balanced_accuracy" and 0 <= said["detection"]["median"] <= 1
    assert said["detection"]["mean"]["low"] <= said["detection"]["mean"]["estimate"]
    assert record["usage"]["requests"] == sum(each["usage"]["requests"] for each in said.values()) > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"saesteer interpret {plan}" in page and Path(record["report"]) == folder / "report.html"
    assert found.about["scorers"]["fuzzing"]["settings"] == {"name": "fuzzing", "n_shown": 3}
    assert found.about["scorers"]["fuzzing"]["client"].startswith("oracle")
    assert {each["explainer"] for each in record["scorers"]} == {None}  # there is one only
    whose = {each.scorer: each.explainer for each in found.scores}
    assert whose == {name: None if name == "intruder" else "token_statistics" for name in said}


def test_what_was_typed_is_quoted_whole():
    typed = {
        "tokens": "2e5",
        "latents": "3,5-7",
        "sae": ["a", "b c"],
        "seed": 0,
        "report": False,
        "out": None,
    }
    said = "saesteer interpret world --tokens 2e5 --latents 3,5-7 --sae a --sae 'b c' --seed 0 --no-report"
    assert _command("world", typed | {"out": None}) == said
    assert _command(None, {"report": True, "set": None}) == "saesteer interpret --report"


def test_a_latents_page_lists_those_that_are_like_it(ran):
    pages = list((ran[0] / "report_latents").rglob("*.html"))
    assert len(pages) == 6
    assert all('<h2 id="near">' in page.read_text(encoding="utf-8") for page in pages)


def test_again_it_asks_for_nothing(ran, plan, run):
    before = {path: path.read_bytes() for path in ran[0].glob("*.jsonl")}
    said = run("interpret", plan, "--dry-run", "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["missing"] == json.loads(said.out)["requests"] == 0
    said = run("interpret", plan, "--no-report")
    assert (said.code, said.err) == (0, "") and "detection" in said.out and "kept: " in said.out
    assert {path: path.read_bytes() for path in ran[0].glob("*.jsonl")} == before


def test_a_dry_run_says_what_is_then_asked(ran, plan, run, tmp_path):
    other, cache = tmp_path / "plan.yaml", next(ran[0].glob("cache-*"))
    other.write_text(plan.read_text().replace("texts:", "# texts:"))
    line = ("interpret", other, "--out", tmp_path / "run", "--cache", cache, "--json")
    planned = json.loads(run(*line, "--dry-run").out)
    assert not (tmp_path / "run").exists() and planned["latents"] == planned["missing"] == 6
    done = json.loads(run(*line, "--no-report").out)
    asked = {each["scorer"]: each["usage"]["requests"] for each in done["scorers"]}
    for name in ("detection", "fuzzing", "intruder"):
        most = planned["by"][name]["requests"]
        assert 0 < asked[name] <= most  # fewer where a latent could not be explained
    assert asked["intruder"] == planned["by"]["intruder"]["requests"]


def test_explain_then_score_with_more_scorers(ran, run, tmp_path, place):
    cache, out = next(ran[0].glob("cache-*")), tmp_path / "explained"
    line = ("explain", cache, "--latents", "1,5-7", "-e", "token_statistics[least=2]", *SMALL, "--out", out)
    said = run(*line, "--model", place.model, "--sae", place.sae)
    assert (said.code, said.err) == (0, "") and "latents explained" in said.out
    assert {each.latent for each in load_results(out).explanations} == {
        LatentId("layers.3", each) for each in (1, 5, 6, 7)
    }
    said = run("score", out, "-s", "detection", "-s", "simulation[form=json]", "--client", "oracle", "--json")
    assert (said.code, said.err) == (0, "")
    assert [each["scorer"] for each in json.loads(said.out)["scorers"]] == ["detection", "simulation_json"]
    said = run("explain", cache, "--latents", "1,5", "-e", "random", *SMALL, "--out", out)
    assert said.code == 0
    names = {each.explainer for each in load_results(out).explanations}
    assert names == {"token_statistics", "random"}
    before = len(load_results(out).scores)
    assert run("score", out, "-s", "detection", "--client", "oracle").code == 0
    assert len(load_results(out).scores) > before  # those of the random explanations


def test_scorers_that_read_with_the_model_itself(ran, run, tmp_path, place):
    """The model and the SAE are found by what the folder says of them; the control comes by itself."""
    cache, out = next(ran[0].glob("cache-*")), tmp_path / "explained"
    line = ("explain", cache, "--latents", "1,5-7", "-e", "token_statistics[least=2]", *SMALL, "--out", out)
    assert run(*line, "--model", place.model, "--sae", place.sae).code == 0
    few = "n=1,max_new_tokens=4,prompts=[One day, She],target=0.05,where={skip: []}"
    said = run("score", out, "-s", "surprisal[wording=titles]", "-s", f"intervention[{few}]", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    found = {each["scorer"]: each for each in record["scorers"]}
    assert found["surprisal"]["headline"] == "auc" and found["intervention"]["headline"] == "less_surprising"
    assert found["surprisal"]["latents"] == found["intervention"]["latents"] == record["explained"] > 1
    scores = [each for each in load_results(out).scores if each.scorer == "intervention"]
    assert all({"shuffled", "over_shuffled", "random_latent"} <= set(each.figures) for each in scores)
    for odd, expected in (("others=words", "others is a list"), ("where=generated", "where is a mapping")):
        said = run("score", out, "-s", f"intervention[{odd}]")
        assert said.code == 2 and expected in said.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--explainer", "defalt"], "unknown explainer 'defalt'; did you mean 'default'?"),
        (["--explainer", "default"], "explainer default needs a client (--client, or client:)"),
        (["--explainer", "token_statistics[leest=2]"], "unknown option of the explainer token_statistics"),
        (["--explainer", "a b"], "explainer is NAME, NAME[option=value,...] or NAME:TEXT, got 'a b'"),
        (["--latents", "70"], ""),
        (["--latents", "x"], "latents are a number, all, or a list such as 3,5,10-20"),
        (["--latents", "64-70"], "latents of layers.3 are 0 to 63, got 70"),
        (["--latents", "layers.9/3"], "unknown SAE of the cache 'layers.9'"),
        (["--set", "trian=3"], "unknown field of examples 'trian'; did you mean 'train'?"),
        (["--set", "train"], "--set is NAME=VALUE, each name once, got 'train'"),
        (["--preset", "papers"], "unknown preset of examples 'papers'"),
        (["--client", "openay:x"], ""),
        (["--sae", "=x"], "--sae is SOURCE or NAME=SOURCE"),
    ],
)
def test_options_that_cannot_be_meant(ran, run, tmp_path, options, expected):
    cache = next(ran[0].glob("cache-*"))
    said = run("explain", cache, "--out", tmp_path / "x", *SMALL, *options)
    if expected:
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1) and expected in said.err
    else:  # more than there are is all of them; a client that nobody asks is not made
        assert "latents explained" in said.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latent: 3", "unknown field of the config 'latent'; did you mean 'latents'?"),
        ("tokens: many", "the config: tokens is a whole number, got 'many'"),
        ("tokens: 0", "tokens is 1 or more, got 0"),
        ("scorers: [detection, 5]", "scorers[1] is a name, or a mapping with a name and options, got 5"),
        ("scorers: [{name: detectoin}]", "unknown scorer 'detectoin'"),
        ("examples: {train: -1}", "train of examples is a whole number from 0, got -1"),
        ("preset: papers", "unknown preset of examples 'papers'"),
        ("model: other", "texts is missing; the model 'other' comes without"),
        ("{model: other, texts: x.txt}", "saes is missing; the model 'other' comes without"),
        ("{cache: x, texts: y}", "cache is x and texts is y; give one of the two"),
        ("- 3", "holds a list, not named fields"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_config_that_cannot_be_meant_names_the_field(run, tmp_path, text, expected):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    said = run("interpret", path, "--out", tmp_path / "run")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1) and expected in said.err
    assert not (tmp_path / "run").exists()


def test_a_folder_without_explanations_and_one_whose_cache_is_gone(ran, run, tmp_path):
    said = run("score", tmp_path)
    assert said.code == 2 and "holds no explanations" in said.err
    save_results(Interpretation((Explanation(LatentId("a", 1), "x", "y"),), (), {}), tmp_path / "copy")
    said = run("score", tmp_path / "copy", "-s", "embedding")
    assert said.code == 2 and "does not say where its cache lies; give it (--cache)" in said.err
    (tmp_path / "bare").mkdir()
    shutil.copy(ran[0] / "about.json", tmp_path / "bare")
    cache = next(ran[0].glob("cache-*"))
    said = run("score", tmp_path / "bare", "-s", "embedding[embedder=hashed_words]", "--cache", cache)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert (
        f"{tmp_path / 'bare'} holds no explanations to score; make some first: saesteer explain" in said.err
    )


def test_nothing_explained_is_a_failed_command(ran, run, tmp_path):
    cache = next(ran[0].glob("cache-*"))
    said = run("explain", cache, "--out", tmp_path / "x", "--latents", "3,4", "--set", "min_windows=100000")
    assert said.code == 1 and "failures: too_few_windows 2" in said.out
    assert "--retry-failed does them again" in said.out


SLOW = """
import asyncio, sys
from saesteer.scorers.detection import Detection
score = Detection.score
async def slow(self, record, explanation):
    print("scoring", flush=True)
    await asyncio.sleep(1000 if record.id.latent % 2 else 0)
    return await score(self, record, explanation)
Detection.score = slow
from saesteer.cli.main import main
sys.exit(main())
"""


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(ran, tmp_path):
    cache, out = next(ran[0].glob("cache-*")), tmp_path / "run"
    options = ["--cache", cache, "--latents", "0-5", "--out", out, "-s", "detection", "--client", "oracle"]
    options += ["-e", "token_statistics[least=2]", *SMALL, "--no-report", "--sae", read_sae(ran[0])]
    words = ["interpret", read_model(ran[0]), *map(str, options)]
    given = [sys.executable, "-c", SLOW, *words]
    with subprocess.Popen(
        given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tiny.environment(), cwd=tmp_path
    ) as process:
        assert process.stdout.readline() == b"scoring\n"
        while not Results(out).scored():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    assert process.returncode == 130
    assert said == f"saesteer: interrupted; what was found is kept in {out}; " + (
        "the same command goes on from there\n"
    )
    found = load_results(out)
    assert found.explanations and {each.latent.latent % 2 for each in found.scores} == {0}
    done = tiny.process(*words, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["scorers"][0]["latents"] == json.loads(done.stdout)["explained"]


def read_model(folder):
    return load_results(folder).about["model"]["source"]


def read_sae(folder):
    return load_results(folder).about["saes"]["layers.3"]["source"]


def explained(folder):
    one, two, three = (LatentId("layers.3", each) for each in (1, 2, 3))
    texts = {one: "weddings and brides", two: "ships at sea", three: "the [bold]sea[/bold] \x1b[31mat night"}
    explanations = tuple(Explanation(latent, "said", text) for latent, text in texts.items())
    scores = (
        Score(two, "detection", texts[two], 0.75, {"f1": 0.75}),
        Score(two, "detection", "another", 0.1, {"f1": 0.1}),
        Score(two, "intruder", None, 0.5, {"accuracy": 0.5}),
    )
    save_results(Interpretation(explanations, scores, {}), folder)
    return folder


def test_words_find_explanations_near_to_them(run, tmp_path, monkeypatch):
    folder = explained(tmp_path / "interpretation")
    line = ("find", "the sea", "--embedder", "hashed_words", "--top", 2)
    said = run(*line, "--explained", folder, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert [each["latent"] for each in record["latents"]] == ["layers.3/3", "layers.3/2"] or [
        each["latent"] for each in record["latents"]
    ] == ["layers.3/2", "layers.3/3"]
    ship = next(each for each in record["latents"] if each["latent"] == "layers.3/2")
    assert ship["scores"] == {"detection": 0.75, "intruder": 0.5} and ship["text"] == "ships at sea"
    monkeypatch.chdir(tmp_path)  # a folder called interpretation is where words are looked for
    said = run(*line)
    assert (said.code, said.err) == (0, "") and "ships at sea" in said.out and "weddings" not in said.out
    assert "[bold]" in said.out and "\x1b" not in said.out and "by hashed_words" in said.out


def test_other_forms_of_find_stay(run, tmp_path, monkeypatch):
    explained(tmp_path / "interpretation")
    said = run("find", "wedding", "--explained", tmp_path / "interpretation", "--words", "sea")
    assert said.code == 2 and "--explained stands alone" in said.err
    said = run("find", "--explained", tmp_path / "interpretation")
    assert said.code == 2 and "what is looked for is missing" in said.err
    said = run("find", "wedding")  # here is no folder of that name
    assert said.code == 2 and "unknown concept 'wedding'" in said.err
    monkeypatch.chdir(tmp_path)
    said = run("find", "world/weding")
    assert said.code == 2 and "unknown concept" in said.err


@pytest.mark.parametrize("text", ["200_000", "2e5", "200000"])
def test_tokens_of_the_flag_are_a_number(monkeypatch, text):
    found = {}
    monkeypatch.setattr("saesteer.cli.interpret._run", lambda given, *others: found.update(given))
    assert main(["interpret", "world", "--sae", "world/layers.3", "--tokens", text]) == 0
    assert found["tokens"] == 200_000 and not isinstance(found["tokens"], str)
    assert main(["interpret", "world", "--tokens", "{"]) == 2
