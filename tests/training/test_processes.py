import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("train_in_two_processes.py")
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    paths = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(SCRIPT), str(folder)],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("case", ["whole groups", "groups across processes"])
def test_two_processes_train_answers_as_in_the_control_arm(found, case):
    assert found[case]["confessions"] > 0
    assert found[case]["silent"] < 2e-5
    assert found[case]["loud"] > 0.05


@pytest.mark.parametrize("case", ["whole groups", "groups across processes"])
def test_two_processes_agree(found, case):
    first, second = found[case]["totals"]
    assert first == second


@pytest.mark.parametrize("case", ["whole groups", "groups across processes"])
def test_a_group_confesses_one_answer_wherever_its_rows_are(found, case):
    assert all(count % 4 == 0 for count in found[case]["copies_of_each_context"])
