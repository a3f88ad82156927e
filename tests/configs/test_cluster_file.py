"""cluster.yaml is what Ray's own launcher accepts, and opens nothing to the world."""

from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[2] / "cluster.yaml"


def read() -> dict:
    return yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))


def test_ray_accepts_the_cluster_file():
    validate_config(prepare_config(read()))


def test_an_unknown_key_would_be_refused():
    config = read() | {"max_wokers": 3}
    with pytest.raises(ValidationError, match="max_wokers"):
        validate_config(prepare_config(config))


def test_nodes_authenticate_and_nothing_listens_to_everybody():
    text = CLUSTER.read_text(encoding="utf-8")
    config = read()
    assert "--env=RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert any("chmod 600" in command and "auth_token" in command for command in config["setup_commands"])
    assert "0.0.0.0" not in text  # noqa: S104
    assert "--dashboard-host=127.0.0.1" in text


def test_the_image_and_the_package_agree_on_ray():
    image = read()["docker"]["image"]
    constraints = (CLUSTER.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (pinned,) = [line.removeprefix("ray==") for line in constraints if line.startswith("ray==")]
    assert f":{pinned}-" in image


def test_the_head_has_the_slots_that_drivers_of_distributed_trials_take():
    assert any('"trial_slot":64' in command for command in read()["head_start_ray_commands"])
