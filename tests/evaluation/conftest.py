"""Running Inspect AI in tests: quietly, without a network, from the installed package."""

import os
import warnings

import pytest

os.environ.setdefault("INSPECT_DISPLAY", "none")


@pytest.fixture(scope="session", autouse=True)
def published_evals():
    """Register the published evals once: their imports warn, and a warning turned error would leave them out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import inspect_evals._registry  # noqa: F401


@pytest.fixture
def run_task(tmp_path):
    """Run a task under a model and return its log."""
    from inspect_ai import eval as inspect_eval

    def run(task, model="scripted/honest", **options):
        with warnings.catch_warnings():
            # Inspect and its libraries warn of each other's deprecations; they are not ours to mend.
            warnings.simplefilter("ignore")
            options = {"log_dir": str(tmp_path / "logs"), "display": "none", "log_realtime": False, **options}
            logs = inspect_eval(task, model=model, **options)
        assert len(logs) == 1
        return logs[0]

    return run
