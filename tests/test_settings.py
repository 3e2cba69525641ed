"""Settings: the environment over a `.env`, and keys that do not show."""

import copy
import pickle

import pytest

from saesteer.errors import InputError
from saesteer.settings import Secret, load_settings, read_dotenv


def dotenv(folder, text):
    path = folder / ".env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_defaults_touch_no_file():
    settings = load_settings({}, dotenv=None)
    assert (settings.device, settings.offline, settings.api_key, settings.api_base) == (
        "cpu",
        False,
        None,
        None,
    )


def test_the_environment_wins_over_the_file(tmp_path):
    path = dotenv(tmp_path, "SAESTEER_DEVICE=cuda\nSAESTEER_OFFLINE=1\n")
    settings = load_settings({"SAESTEER_DEVICE": "mps"}, path)
    assert settings.device == "mps"
    assert settings.offline


def test_lines_of_other_programs_are_passed_over(tmp_path):
    lines = ["FOO", 'KEY="-----BEGIN', "abc/+=", '-----END"', "a b c", "SAESTEER_DEVICE=cuda"]
    assert read_dotenv(dotenv(tmp_path, "\n".join(lines))) == {"SAESTEER_DEVICE": "cuda"}


def test_the_file_is_never_written_nor_put_into_the_environment(tmp_path, monkeypatch):
    path = dotenv(tmp_path, "OPENAI_API_KEY=sk-filed")
    path.chmod(0o400)
    before = path.read_bytes(), path.stat().st_mtime_ns
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert load_settings(dotenv=path).api_key == Secret("sk-filed")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    import os

    assert "OPENAI_API_KEY" not in os.environ


def test_the_process_key_is_not_sent_to_an_address_from_a_file(tmp_path):
    path = dotenv(tmp_path, "OPENAI_BASE_URL=https://stranger.example\nOPENAI_API_KEY=sk-theirs")
    settings = load_settings({"OPENAI_API_KEY": "sk-mine"}, path)
    assert settings.api_key == Secret("sk-mine")
    assert settings.api_base is None
    assert load_settings({}, path).api_base == "https://stranger.example"


def test_a_secret_shows_itself_nowhere():
    settings = load_settings({"OPENAI_API_KEY": " sk-1234 ", "HF_TOKEN": "hf_5678"}, dotenv=None)
    secret = settings.api_key
    shown = f"{settings} {settings!r} {secret} {secret!r} {secret:>30} {[secret]} {secret.__dir__()}"
    assert "1234" not in shown and "5678" not in shown
    assert secret.reveal() == "sk-1234"
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leak(secret)


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("TRUE", True), ("0", False), ("", False)])
@pytest.mark.parametrize("name", ["SAESTEER_OFFLINE", "HF_HUB_OFFLINE"])
def test_switches(name, value, offline):
    assert load_settings({name: value}, dotenv=None).offline is offline


def test_a_switch_that_is_none_is_refused():
    with pytest.raises(InputError, match="SAESTEER_OFFLINE is a switch"):
        load_settings({"SAESTEER_OFFLINE": "maybe"}, dotenv=None)


def test_lines_of_a_dotenv(tmp_path):
    a, b, c = "SAESTEER_DEVICE", "SAESTEER_OFFLINE", "HF_HUB_OFFLINE"
    d, e, f = "OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN"
    lines = [
        f"export {a} = 1 # one",
        f"{b}='two # 2' # 2",
        f'{c}="three"',
        f"{d}=",
        f"{e}=a=b#c\r",
        f"{f}=$A `x`",
    ]
    text = "\n".join(["\ufeff# note", "", *lines, ""])
    expected = {a: "1", b: "two # 2", c: "three", d: "", e: "a=b#c", f: "$A `x`"}
    assert read_dotenv(dotenv(tmp_path, text)) == expected


def test_a_missing_dotenv_is_empty(tmp_path):
    assert read_dotenv(tmp_path / ".env") == read_dotenv(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["HF_TOKEN sk-1234", "HF_TOKEN='sk-1234", "HF_TOKEN='x' sk-1234", b"\xff\xfesk-1234"]
)
def test_a_broken_dotenv_is_refused_without_showing_the_line(tmp_path, text):
    with pytest.raises(InputError) as caught:
        read_dotenv(dotenv(tmp_path, text))
    assert str(tmp_path) in str(caught.value)
    assert "1234" not in str(caught.value)
