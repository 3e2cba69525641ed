"""The error tree and its messages."""

import inspect
import pickle

import pytest

from saesteer import errors

TREE = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]


@pytest.mark.parametrize("error", TREE)
def test_the_exit_code_says_whether_the_user_can_mend_it(error):
    assert issubclass(error, errors.SaesteerError)
    assert error.exit_code == (2 if issubclass(error, errors.InputError) else 1)
    assert str(pickle.loads(pickle.dumps(error("what, got, do")))) == "what, got, do"


def test_an_unknown_name_lists_what_exists_and_the_nearest():
    message = str(errors.UnknownName.of("method", "Difmean", ["prompting", "diffmean"]))
    assert message == "unknown method 'Difmean'; did you mean 'diffmean'? known: diffmean, prompting"


def test_an_unknown_name_far_from_all_suggests_none():
    assert "did you mean" not in str(errors.UnknownName.of("method", "zzz", ["diffmean"]))
    assert "none to choose" in str(errors.UnknownName.of("method", "zzz", []))


def test_a_long_list_is_cut_with_a_count():
    message = str(errors.UnknownName.of("latent", "x", [f"n{i}" for i in range(100)]))
    assert message.endswith("and 60 more")


def test_a_missing_extra_prints_the_command():
    assert str(errors.MissingExtra.of("datasets", "hub")).endswith("pip install 'saesteer[hub]'")
