import subprocess
import sys
from pathlib import Path

import pytest

from saesteer.errors import SaesteerError
from saesteer.runs import alone


def test_one_at_a_time_and_free_when_its_holder_is_killed(tmp_path):
    lock = tmp_path / "new" / ".lock"
    script = (
        "import sys, time; from pathlib import Path; from saesteer.runs import alone\n"
        "with alone(Path(sys.argv[1]), Path('it')): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(SaesteerError, match="another process works on it; wait for it"),
            alone(lock, Path("it")),
        ):
            raise AssertionError
        other.kill()
        other.wait()
    with alone(lock, Path("it")):
        pass
