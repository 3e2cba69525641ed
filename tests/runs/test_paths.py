"""Path containment."""

import pytest

from saesteer.errors import InputError
from saesteer.runs import contained


@pytest.mark.parametrize("path", ["a", "a/../b", "./a/b", ".", "a//b"])
def test_paths_below_the_root_pass(tmp_path, path):
    assert contained(tmp_path, path).is_relative_to(tmp_path)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_paths_that_leave_the_root_are_refused(tmp_path, path):
    with pytest.raises(InputError):
        contained(tmp_path / "root", path)


def test_a_sibling_with_the_same_start_is_outside(tmp_path):
    with pytest.raises(InputError):
        contained(tmp_path / "root", "../root2/x")


def test_links_are_followed_before_the_look(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    (root / "in").symlink_to(root)
    assert contained(root, "in/in/x") == root / "x"
    for path in ("out/secret", "loop/x"):
        with pytest.raises(InputError):
            contained(root, path)
