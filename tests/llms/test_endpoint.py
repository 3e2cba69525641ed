"""Which key goes to which address."""

import pytest

from saesteer.errors import InputError
from saesteer.llms.endpoint import endpoint
from saesteer.settings import Secret, load_key

ELSEWHERE = "https://models.example/v1"


def test_openai_gets_its_key_and_nobody_else():
    mine = {"OPENAI_API_KEY": "sk-1"}
    assert endpoint(environment=mine).url == "https://api.openai.com/v1"
    assert endpoint(environment=mine).key == Secret("sk-1")
    assert endpoint("https://api.openai.com/v1/", environment=mine).key == Secret("sk-1")
    assert endpoint("http://localhost:8000/v1", environment=mine).key is None
    for url in (ELSEWHERE, "https://api.openai.com.example/v1", "https://api.openai.com:8443/v1"):
        with pytest.raises(InputError, match="key_env"):
            endpoint(url, environment=mine)


def test_the_environment_may_move_the_key_to_another_address():
    mine = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": ELSEWHERE}
    assert endpoint(environment=mine).url == ELSEWHERE
    assert endpoint(environment=mine).key == Secret("sk-1")
    with pytest.raises(InputError, match="key_env"):
        endpoint("https://api.openai.com/v1", environment=mine)


def test_a_named_key_goes_to_the_address_that_it_is_named_for():
    mine = {"OPENAI_API_KEY": "sk-1", "OTHER_API_KEY": "sk-2"}
    assert endpoint(ELSEWHERE, "OTHER_API_KEY", mine).key == Secret("sk-2")
    assert endpoint(ELSEWHERE, "OPENAI_API_KEY", mine).key == Secret("sk-1")
    with pytest.raises(InputError, match="no key in THIRD_API_KEY"):
        endpoint(ELSEWHERE, "THIRD_API_KEY", mine)
    with pytest.raises(InputError, match="KEY or TOKEN"):
        endpoint(ELSEWHERE, "HOME", {"HOME": "x"})


def test_a_key_from_a_dotenv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OTHER_API_KEY='sk-3'\nOPENAI_BASE_URL=https://stranger.example/v1\n")
    assert endpoint(ELSEWHERE, "OTHER_API_KEY", {}).key == Secret("sk-3")
    assert endpoint(environment={"OPENAI_API_KEY": "sk-1"}).url == "https://api.openai.com/v1"
    assert load_key("OTHER_API_KEY", {"OTHER_API_KEY": "sk-4"}) == Secret("sk-4")
    assert load_key("OTHER_API_KEY", {}, dotenv=None) is None


def test_a_key_is_not_sent_in_the_clear():
    mine = {"OTHER_API_KEY": "sk-2"}
    for url in ("http://127.0.0.1:8000/v1", "http://192.168.1.7/v1", "http://[::1]:80/v1"):
        assert endpoint(url, "OTHER_API_KEY", mine).key == Secret("sk-2")
    for url in ("http://models.example/v1", "http://8.8.8.8/v1"):
        with pytest.raises(InputError, match="plain http"):
            endpoint(url, "OTHER_API_KEY", mine)


@pytest.mark.parametrize("key", ["sk-\x00", "sk-1\nsk-2", "sk-é"])
def test_a_key_that_no_header_takes_is_refused_without_showing_it(key):
    with pytest.raises(InputError) as caught:
        load_key("OTHER_API_KEY", {"OTHER_API_KEY": key}, None)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://127.0.0.1/v1",
        "http://",
        "http://127.0.0.1:port/v1",
        "http://me:password@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=password",
        "http://[127.0.0.1/v1",
        7,
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(url):
    with pytest.raises(InputError, match="base_url") as caught:
        endpoint(url, environment={})
    assert ":password" not in str(caught.value) and "=password" not in str(caught.value)
