"""Reading: one clear line for what is missing, odd or torn; nothing is executed."""

import pytest

from saesteer.errors import CorruptFile, InputError
from saesteer.runs import read_json, read_parquet, read_yaml, write_parquet


@pytest.mark.parametrize("read", [read_json, read_yaml, read_parquet])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(InputError, match=r"there is no file .*gone"):
        read(tmp_path / "gone")


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_bytes_that_are_no_text_and_folders_are_refused(tmp_path, read):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read(tmp_path / "x")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


def test_torn_files_are_corrupt(tmp_path):
    (tmp_path / "j").write_text('{"a": ')
    with pytest.raises(CorruptFile, match="not valid JSON"):
        read_json(tmp_path / "j")
    write_parquet(tmp_path / "p", [{"a": 1}])
    (tmp_path / "p").write_bytes((tmp_path / "p").read_bytes()[:-9])
    with pytest.raises(CorruptFile, match="whole Parquet"):
        read_parquet(tmp_path / "p")


def test_yaml_builds_no_objects(tmp_path):
    (tmp_path / "y").write_text("a: [1, x]\n")
    assert read_yaml(tmp_path / "y") == {"a": [1, "x"]}
    (tmp_path / "y").write_text(f"!!python/object/apply:os.mkdir ['{tmp_path / 'made'}']")
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / "y")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "made").exists()
