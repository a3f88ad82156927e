"""What is no strict YAML is refused at its line. In the table the offending line is the one that holds `#!`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import refusals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import EXPERIMENT, assert_reported, messages_of, refusal

from intelligen.config.load import load_experiment
from intelligen.errors import ConfigError

folder = refusals.folder
OTHER_USER = 65534

BROKEN_YAML = {
    "empty": ("#!", "", "the file is empty"),
    "only a comment and a separator": ("#!\n---\n", "", "the file is empty"),
    "bad indentation": (f"{EXPERIMENT}training:\n    epochs: 1\n  seed: 2  #!\n", "", "not valid YAML"),
    "unclosed bracket": (
        f"{EXPERIMENT}training:\n  optimizer: {{betas: [0.9, 0.98]\nseed: 1  #!\n",
        "",
        "not valid YAML",
    ),
    "bracket open at the end": (f"{EXPERIMENT}training: {{epochs: 1  #!\n\n", "", "not valid YAML"),
    "unclosed quotation": (f"{EXPERIMENT}task: 'x  #!\n", "", "not valid YAML"),
    "escape beyond Unicode": (f'{EXPERIMENT}task: "\\U00110000"  #!\n', "", "not valid YAML"),
    "colon in plain text": (f"{EXPERIMENT}task: a: b  #!\n", "", "not valid YAML"),
    "tab": (f"{EXPERIMENT}training:\n\tepochs: 1  #!\n", "", "a tab; indent with spaces"),
    "tab between words": (f"{EXPERIMENT}seed:\t1  #!\n", "", "a tab"),
    "two documents": (f"{EXPERIMENT}---  #!\n{EXPERIMENT}", "", "a second document"),
    "list at the root": ("- version: 1  #!\n- name: tiny\n", "", "must be a mapping of settings, got a list"),
    "scalar at the root": ("tiny  #!\n", "", 'must be a mapping of settings, got "tiny"'),
    "duplicate key": (f"{EXPERIMENT}seed: 1\nseed: 2  #!\n", "seed", "occurs twice, first at experiment.yaml:3"),
    "duplicate nested key": (
        f"{EXPERIMENT}training:\n  epochs: 1\n  epochs: 2  #!\n",
        "training.epochs",
        "occurs twice, first at experiment.yaml:4",
    ),
    "alias": (f"{EXPERIMENT}seed: *a  #!\n", "seed", "*a refers to another value"),
    "anchor": (f"{EXPERIMENT}training: &a {{epochs: 1}}  #!\n", "training", "anchor &a is not allowed"),
    "merge key": (f"{EXPERIMENT}training:\n  <<: {{epochs: 1}}  #!\n", "training.<<", "unknown key"),
    "Python tag": (
        f"{EXPERIMENT}seed: !!python/object/apply:os.getpid []  #!\n",
        "seed",
        "tag !!python/object/apply:os.getpid is not allowed",
    ),
    "standard tag": (f"{EXPERIMENT}seed: !!int 3  #!\n", "seed", "tag !!int is not allowed"),
    "own tag": (f"{EXPERIMENT}seed: !mine 3  #!\n", "seed", "tag !mine is not allowed"),
    "too deep": (f"{EXPERIMENT}data: {'[' * 40}{']' * 40}  #!\n", "", "nested deeper than 32 levels"),
    "number as a key": (f"{EXPERIMENT}training:\n  1: 2  #!\n", "training", "a key must be text, got 1; quote it"),
    "list as a key": (f"{EXPERIMENT}training:\n  ? [1]  #!\n  : 2\n", "training", "a key must be text, got a list"),
    "no key": (f"{EXPERIMENT}? #!\n: 2\n", "", "a key must be text, got nothing"),
    "octal": (f"{EXPERIMENT}seed: 010  #!\n", "seed", 'may mean decimal or octal; write 10, or "010" for text'),
    "infinity": (f"{EXPERIMENT}training:\n  label_smoothing: .inf  #!\n", "training.label_smoothing", "not a finite"),
    "NaN": (f"{EXPERIMENT}training:\n  label_smoothing: .nan  #!\n", "training.label_smoothing", "not a finite number"),
    "float overflow": (f"{EXPERIMENT}training: {{label_smoothing: 1e999}}  #!\n", "training.label_smoothing", "out of"),
    "huge whole number": (f"{EXPERIMENT}seed: {'9' * 5000}  #!\n", "seed", "must fit into 64 bits"),
    "NUL by an escape": (f'{EXPERIMENT}data: {{corpus: "\\0"}}  #!\n', "data.corpus", "control character U+0000"),
    "surrogate by an escape": (f'{EXPERIMENT}seed: "\\ud800"  #!\n', "seed", "control character U+D800"),
    "terminal control": (f"{EXPERIMENT}seed: \x1b[2J  #!\n", "", "control character U+001B"),
}


@pytest.mark.parametrize(("text", "key", "reason"), BROKEN_YAML.values(), ids=BROKEN_YAML)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("experiment.yaml"), text, key, reason)


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        pytest.param(b"version: 1\nname: \x00\n", 2, "binary", id="NUL"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\x00", 1, "binary", id="binary"),
        pytest.param("version: 1\nname: tiny\n".encode("utf-16"), 1, "binary", id="UTF-16"),
        pytest.param(b"version: 1\nname: caf\xe9\n", 2, "not UTF-8 at byte 20; save the file as UTF-8", id="Latin-1"),
        pytest.param(b"", 1, "the file is empty", id="empty"),
        pytest.param(b" \n\n", 1, "the file is empty", id="blank"),
    ],
)
def test_bytes_that_are_no_text_are_reported_with_their_line(
    folder: Path, content: bytes, line: int, reason: str
) -> None:
    Path("x.yaml").write_bytes(content)
    (message,) = refusal(Path("x.yaml"))
    assert message.startswith(f"x.yaml:{line}: ")
    assert reason in message


def test_an_alias_bomb_is_refused_before_it_grows(folder: Path) -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    Path("x.yaml").write_text("\n".join(rows))
    messages = refusal(Path("x.yaml"))
    assert messages[0].startswith("x.yaml:1: a0: anchor &a0")
    assert len(messages) == 101


def test_a_file_over_one_mebibyte_is_not_parsed(folder: Path) -> None:
    Path("x.yaml").write_text(EXPERIMENT + "#" * (1 << 20))
    (message,) = refusal(Path("x.yaml"))
    assert message.startswith("x.yaml: larger than 1 MiB")


def test_a_missing_file_is_named_with_the_nearest_one(folder: Path) -> None:
    assert refusal(Path("experimnt.yaml")) == ['experimnt.yaml: no such file; did you mean "experiment.yaml"?']
    assert refusal(Path("nowhere/x.yaml")) == [
        "nowhere/x.yaml: no such file; its directory does not exist either: check the path"
    ]


@pytest.mark.timeout(20)  # reading a pipe would wait for ever
def test_what_is_no_regular_file_is_named(folder: Path) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    os.mkfifo("pipe.yaml")
    assert refusal(folder) == [f"{folder}: is a directory; give a YAML file in it"]
    assert refusal(Path("pipe.yaml")) == ["pipe.yaml: is not a regular file; give a YAML file"]
    assert refusal(Path("loop.yaml"))[0].startswith("loop.yaml: cannot be read: ")


@contextmanager
def who_may_not_read_everything() -> Iterator[None]:
    """As root does."""
    user = os.geteuid()
    os.seteuid(user or OTHER_USER)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as open_to_others:  # pytest's own folders are not
        Path(open_to_others).chmod(0o755)
        monkeypatch.chdir(open_to_others)
        Path("x.yaml").write_text(EXPERIMENT)
        Path("x.yaml").chmod(0)
        with who_may_not_read_everything():
            refused = refusal(Path("x.yaml"))
    assert refused == ["x.yaml: cannot be read: Permission denied; check path and permissions"]


def test_control_characters_of_a_path_do_not_reach_the_terminal(folder: Path) -> None:
    (message,) = refusal(Path("a\nb\x1b[2J.yaml"))
    assert message.startswith("a\\nb\\x1b[2J.yaml: no such file")


anything = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet="ab1:-?&*!|>'\"%@`{}[],# \n~.<=\\u", max_size=60).map(lambda text: f"{EXPERIMENT}{text}".encode()),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=anything)
def test_no_file_raises_anything_but_a_reported_mistake(folder: Path, content: bytes) -> None:
    Path("x.yaml").write_bytes(content)
    try:
        load_experiment(Path("x.yaml"))
    except ConfigError as error:
        messages_of(error)
