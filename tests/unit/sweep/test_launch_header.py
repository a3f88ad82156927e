"""A launch begins with what it will run, how many trainings that are, and how to estimate its time."""

import logging
from pathlib import Path

import pytest
from conftest import REPOSITORY
from small_study import SmallStudy

from intelligen.analysis.eta import Eta, eta_words
from intelligen.config.load import load_sweep
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.sweep.cluster.ray_session import quieten
from intelligen.sweep.launch_header import header_lines, time_left


def header(name: str, *overrides: str) -> list[str]:
    file = REPOSITORY / "search_spaces" / f"{name}.yaml"
    sweep, experiment = load_sweep(file, overrides)
    return list(header_lines(sweep, experiment, given=("my file.yaml", *overrides), trials={}))


def test_a_header_counts_trials_epochs_and_seeds() -> None:
    first, _, plan = header("quickstart", "confirm.seeds=3")
    assert first == (
        "start    quickstart: the baseline of 5 epochs; then 8 trials (4 of each strategy: standard,"
        " generative_position) of at most 4 epochs, 2 at once; then 6 trainings with other seeds, each seed with its"
        " own baseline; then the test sets"
    )
    assert plan == "         intelligen plan 'my file.yaml' -o confirm.seeds=3"


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (
            "{trials_per_strategy: 4}",
            "24 trials (4 of each strategy in each of 3 searches: standard, generative_position)",
        ),
        ("{wall_hours: 2}", "trials until wall_hours 2 is spent (each strategy in each of 3 searches: standard, "),
    ],
)
def test_of_several_searches_a_header_says_what_is_of_each(budget: str, words: str) -> None:
    assert words in header("quickstart", "confirm.seeds=3", "search.replicates=3", f"budget={budget}")[0]


@pytest.mark.parametrize("name", ["study", "population", "imdb_variants", "table3", "multi30k_study"])
def test_every_kind_of_sweep_has_one(name: str) -> None:
    first = header(name)[0]
    assert "None" not in first
    assert first.endswith("; then the test sets")


def test_a_resumed_launch_says_what_has_ended() -> None:
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    ended = TrialRecord("t0", "trial", "standard", 1, {}, {}, "t0", 0, 0, state=TrialState.COMPLETE)
    lines = list(header_lines(sweep, experiment, given=(), trials={"t0": ended}))
    assert lines[1] == "         1 of these trainings ended in earlier launches"


def test_a_resumed_launch_says_how_long_it_takes_by_what_earlier_ones_have_trained(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", confirm=False)
    files.write()
    sweep, experiment = files.settings()
    _, trials, _ = read_ledger(files.directory)
    assert time_left(sweep, experiment, trials, directory=files.directory) == Eta(0.0, 0.0)
    begun = {name: one for name, one in trials.items() if one.number is None or one.number < 6}
    left = time_left(sweep, experiment, begun, directory=files.directory)
    assert left is not None
    assert 0 < left.low_s <= left.high_s
    lines = list(header_lines(sweep, experiment, given=(), trials=begun, left=left))
    assert lines[2:] == [
        f"         about {eta_words(left)} left of search, by the epochs of those launches; then the test sets"
    ]
    assert time_left(sweep, experiment, {}, directory=files.directory) is None


def test_of_rays_lines_on_its_token_only_that_it_lacks_one_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("ray._private.authentication.authentication_token_setup")
    quieten()
    with caplog.at_level(logging.INFO):
        logger.info("Generated new authentication token and saved to /home/me/.ray/auth_token")
        logger.warning("Token authentication is enabled for this Ray cluster. Set RAY_AUTH_MODE=disabled to opt out.")
        logger.warning("Token authentication is disabled for this Ray cluster.")
    assert [record.getMessage() for record in caplog.records] == [
        "Token authentication is disabled for this Ray cluster."
    ]
