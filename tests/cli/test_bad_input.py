"""Bad input through real processes: one clear line, code 1 or 2 (130 for Ctrl-C), no half-written file."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from tests.cli.tiny import environment, process

GOOD = "The bride kissed the groom.\nAnna wore a veil.\n"
OLD = "an older good result\n"

# Runs many command lines in one process, since importing torch is what takes the time. A line's "limit" is
# how large a file may become: a disk that fills up.
MANY = """
import json, os, resource, sys
from saesteer.cli.main import main
out, err, codes = os.dup(1), os.dup(2), []
for number, case in enumerate(json.load(open(sys.argv[1]))):
    for name, to in (("out", 1), ("err", 2)):
        file = os.open(f"{sys.argv[2]}/{number}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, to)
        os.close(file)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (case["limit"] or hard, hard))
    codes.append(main(case["line"]))
    sys.stdout.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
os.write(out, json.dumps(codes).encode())
"""

# Ctrl-C as soon as the main thread works in a file whose name ends so.
INTERRUPTED = """
import os, signal, sys, threading, time
from saesteer.cli.main import main
main_thread, wanted = threading.main_thread().ident, sys.argv.pop(1)
def inside():
    frame = sys._current_frames().get(main_thread)
    while frame and not frame.f_code.co_filename.endswith(wanted):
        frame = frame.f_back
    return frame
def watch():
    while not inside():
        time.sleep(0.001)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=watch, daemon=True).start()
sys.exit(main())
"""


def check(said: Said, code: int, *parts: str) -> None:
    """One clear line and nothing else."""
    assert said.code == code and said.out == ""
    assert said.err.startswith("saesteer: ") and said.err.endswith("\n") and said.err.count("\n") == 1
    assert "unexpected" not in said.err and "Traceback" not in said.err
    for part in parts:
        assert part in said.err


def said_by(done: subprocess.CompletedProcess[bytes]) -> Said:
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


# Refused before anything heavy is imported.

TEXTS = {
    "empty": (b"", "holds no text"),
    "blank": (b"\n  \n", "holds no text"),
    "latin": ("Caf\xe9 on the corner.\n".encode("latin-1"), "line 1 is not UTF-8"),
    "nul": (b"A text.\nA te\0xt.\n", "line 2 holds a NUL byte"),
    "one word": (b"The groom smiled.\nbride\n", "positive text 2 is one word ('bride')"),
    "twice": (b"The groom smiled.\nThe groom smiled.\n", "stands 2 times"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_to_find_by(tmp_path, name):
    content, expected = TEXTS[name]
    (tmp_path / "bad.txt").write_bytes(content)
    (tmp_path / "good.txt").write_text(GOOD)
    done = process("find", "--positive", tmp_path / "bad.txt", "--negative", tmp_path / "good.txt")
    check(said_by(done), 2, expected)


@pytest.mark.parametrize("verb", ["find", "steer"])
def test_a_concept_that_there_is_not(tmp_path, verb):
    options = ["--out", tmp_path / "x.yaml"] if verb == "steer" else []
    check(said_by(process(verb, "world/weding", *options)), 2, "'weding'", "did you mean 'wedding'?")


@pytest.mark.parametrize("strength", ["nan", "inf", "-inf", "much"])
def test_a_strength_that_is_no_number(tmp_path, strength):
    out = tmp_path / "x.yaml"
    out.write_text(OLD)
    done = process("steer", "world/wedding", "--strength", strength, "--out", out)
    check(said_by(done), 2, "'--strength'", "number")
    assert out.read_text() == OLD and list(tmp_path.iterdir()) == [out]


def test_output_below_a_file_and_onto_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.yaml").mkdir()
    below = process("steer", "world/wedding", "--out", tmp_path / "file" / "x.yaml")
    check(said_by(below), 2, "is a file, so")
    onto = process("steer", "world/wedding", "--out", tmp_path / "folder.yaml")
    check(said_by(onto), 2, "is a folder; give the name of a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o555)
    done = process("steer", "world/wedding", "--out", tmp_path / "x.yaml")
    check(said_by(done), 1, "no right to write")


# Refused by the model, the SAE, the spec or the disk.

DIRECTION = "{op: add, hookpoint: layers.3, tensor: v, strength: {value: %s, unit: raw}}"
CASES = [
    "not a model",
    "broken weights",
    "no model",
    "not an SAE",
    "wrong SAE",
    "wrong SAE for steer",
    "no spec",
]
CASES += [
    "spec with nan",
    "spec that is no YAML",
    "spec with aliases",
    "seed beyond all",
    "ranking in a text file",
    "empty prompts",
    "prompts in latin-1",
    "no room",
    "proc",
    "full",
]


@pytest.fixture(scope="module")
def said(place, tmp_path_factory):
    """What each case said, all of them run in one process."""
    root = tmp_path_factory.mktemp("bad")
    write_inputs(root, place)
    cases = lines(root, place)
    assert list(cases) == CASES
    record = [{"line": list(map(str, line)), "limit": limit} for line, limit in cases.values()]
    (root / "cases.json").write_text(json.dumps(record))
    env = environment() | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = process(root / "cases.json", root, code=MANY, env=env)
    assert done.returncode == 0, done.stderr.decode()
    codes = json.loads(done.stdout)
    return root, {
        name: Said(code, *((root / f"{number}.{stream}").read_text() for stream in ("out", "err")))
        for number, (name, code) in enumerate(zip(cases, codes, strict=True))
    }


def write_inputs(root: Path, place) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "readme.txt").write_text("no model")
    (root / "broken").mkdir()
    for file in Path(place.model).iterdir():
        data = file.read_bytes()
        (root / "broken" / file.name).write_bytes(data[:1000] if file.suffix == ".safetensors" else data)
    (root / "nan.yaml").write_text(f"version: 1\ninterventions: [{DIRECTION % '.nan'}]\n")
    (root / "alias.yaml").write_text(
        "version: 1\nprovenance: {a: &a [x, x], b: [*a, *a]}\ninterventions: []\n"
    )
    (root / "odd.yaml").write_text("version: [1\n")
    (root / "empty.txt").write_text("")
    (root / "latin.txt").write_bytes("Caf\xe9\n".encode("latin-1"))
    for name in ("room.yaml", "ranking.parquet"):
        (root / name).write_text(OLD)


def lines(root: Path, place) -> dict[str, tuple[list[object], int | None]]:
    """Name -> command line, and how large a file may become."""
    find = ["find", "world/wedding", "--sae", place.sae]
    steer = ["steer", "world/wedding", "-m", place.model]
    generate = ["generate", "-m", place.model, "--spec"]
    wrong = ["--method", "sae_decoder", "--sae", place.wrong_sae, "--out", root / "wrong.yaml"]
    return {
        "not a model": ([*find, "-m", root / "folder"], None),
        "broken weights": ([*find, "-m", root / "broken"], None),
        "no model": ([*find, "-m", root / "nowhere"], None),
        "not an SAE": (["find", "world/wedding", "-m", place.model, "--sae", root / "folder"], None),
        "wrong SAE": (["find", "world/wedding", "-m", place.model, "--sae", place.wrong_sae], None),
        "wrong SAE for steer": ([*steer, *wrong], None),
        "no spec": ([*generate, root / "none.yaml", "-p", "One day"], None),
        "spec with nan": ([*generate, root / "nan.yaml", "-p", "One day"], None),
        "spec that is no YAML": ([*generate, root / "odd.yaml", "-p", "One day"], None),
        "spec with aliases": ([*generate, root / "alias.yaml", "-p", "One day"], None),
        "seed beyond all": (
            [*steer, "--method", "random_direction", "--seed", 10**30, "--out", root / "seed.yaml"],
            None,
        ),
        "ranking in a text file": ([*find, "-m", place.model, "--save", root / "empty.txt"], None),
        "empty prompts": ([*generate, root / "nan.yaml", "--prompts", root / "empty.txt"], None),
        "prompts in latin-1": ([*generate, root / "nan.yaml", "--prompts", root / "latin.txt"], None),
        "no room": ([*steer, "--out", root / "room.yaml"], 400),
        "proc": ([*steer, "--out", "/proc/saesteer/x.yaml"], None),
        "full": ([*find, "-m", place.model, "--save", root / "ranking.parquet"], 400),
    }


@pytest.mark.parametrize(
    ("name", "code", "parts"),
    [
        ("not a model", 2, ["is not a model", "config.json"]),
        ("broken weights", 1, ["holds broken weights"]),
        ("no model", 2, ["there is no folder"]),
        ("not an SAE", 2, ["cfg.json"]),
        ("wrong SAE", 2, ["SAE d_in is 64", "layers.3", "gives 32"]),
        ("wrong SAE for steer", 2, ["SAE d_in is 64", "gives 32"]),
        ("no spec", 2, ["none.yaml"]),
        ("spec with nan", 2, ["strength.value: must be finite, got nan"]),
        ("spec that is no YAML", 2, ["odd.yaml"]),
        ("spec with aliases", 2, ["alias.yaml", "aliases (*name) are not taken"]),
        ("seed beyond all", 2, ["a seed is a whole number from 0"]),
        ("ranking in a text file", 2, ["a .parquet file, got 'empty.txt'"]),
        ("empty prompts", 2, ["holds no text"]),
        ("prompts in latin-1", 2, ["line 1 is not UTF-8"]),
        ("no room", 1, ["room.yaml was not written"]),
        ("proc", 1, ["/proc/saesteer"]),
        ("full", 1, ["ranking.parquet was not written"]),
    ],
)
def test_what_is_refused_on_the_way(said, name, code, parts):
    check(said[1][name], code, *parts)


def test_nothing_half_written_is_left(said):
    root, _ = said
    assert (root / "room.yaml").read_text() == OLD
    assert (root / "ranking.parquet").read_text() == OLD
    assert not (root / "wrong.yaml").exists()
    assert not [each for each in root.rglob("*") if "tmp" in each.suffix]


# Ctrl-C.


@pytest.mark.parametrize("moment", ["torch/__init__.py", "model/loading.py", "latents/capture.py"])
def test_ctrl_c_keeps_the_older_result(place, tmp_path, moment):
    out = tmp_path / "ranking.parquet"
    out.write_text(OLD)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"{'The' if n % 2 else 'A'} dog and a cat, number {n}." for n in range(400)))
    line = ("find", "--words", "the", "--texts", texts, "-m", place.model, "--sae", place.sae, "--save", out)
    done = process(moment, *line, code=INTERRUPTED)
    check(said_by(done), 130, "interrupted")
    assert out.read_text() == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ranking.parquet", "texts.txt"]


def test_ctrl_c_while_texts_are_written(place, tmp_path):
    made = process("steer", "world/wedding", "-m", place.model, "--out", tmp_path / "w.yaml")
    assert made.returncode == 0, made.stderr
    line = ("generate", "--spec", tmp_path / "w.yaml", "-m", place.model, "-p", "One day", "-n", 5000)
    done = process("generation.py", *line, "--max-new-tokens", 400, "--json", code=INTERRUPTED)
    check(said_by(done), 130, "interrupted")
