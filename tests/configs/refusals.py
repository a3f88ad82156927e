"""What all tests of wrong files share: a refusal is one line with its place, in our words, with exit code 2."""

import re
from pathlib import Path

import pytest
from hypothesis import strategies as st

from intelligen.config.load import load_experiment, load_sweep
from intelligen.errors import ConfigError

EXPERIMENT = "version: 1\nname: tiny\n"
SWEEP = "version: 1\nname: tiny\nexperiment: experiment.yaml\nbudget: {trials: 2}\n"
SPACE = f"{SWEEP}space:\n"
VARIED = f"{SPACE}  model.dropout: {{uniform: [0.0, 0.3]}}\n"

INTERNALS = re.compile(
    r"Value error|function-after|Input should|https?:|pydantic|tagged-union|Traceback", re.IGNORECASE
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["files", "hub", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "splits", "hub", "train", "source", "choice", "int", "zip", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a small experiment in it."""
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def messages_of(error: ConfigError) -> list[str]:
    assert type(error) is ConfigError
    assert error.exit_code == 2
    assert not INTERNALS.search(str(error))
    lines = str(error).split("\n")
    assert all(line.isprintable() for line in lines)
    return lines


def refusal(path: Path) -> list[str]:
    load = load_sweep if path.name.startswith("sweep") else load_experiment
    with pytest.raises(ConfigError) as caught:
        load(path)
    return messages_of(caught.value)


def assert_reported(path: Path, text: str, key: str, reason: str) -> None:
    """The text, written there, is refused in one line that names the line which holds `#!`, the key and the reason."""
    path.write_text(text, encoding="utf-8")
    reported_at(refusal(path), str(path), text, key, reason)


def reported_at(messages: list[str], path: str, text: str, key: str, reason: str) -> None:
    """The only message names that line of the place, the key and the reason."""
    line = text[: text.index("#!")].count("\n") + 1
    (message,) = messages
    assert message.startswith(f"{path}:{line}: "), message
    assert key in message, message
    assert reason in message, message
