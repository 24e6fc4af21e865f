import pytest

from confessions.training.launch import LaunchError, read_launch


def test_a_deepspeed_file_beside_the_launch_file_is_refused(tmp_path):
    path = tmp_path / "launch.yaml"
    path.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: DEEPSPEED\nnum_processes: 2\nnum_machines: 1\n"
        "machine_rank: 0\nuse_cpu: false\ndebug: false\ndeepspeed_config:\n  deepspeed_config_file: zero.json\n"
    )
    with pytest.raises(LaunchError, match="deepspeed_config_file leaves the ZeRO stage unknown here: put its settings"):
        read_launch(path)
