"""A trial's log holds what its process said, warned of and printed, and how it failed; never a secret."""

import logging
import sys
import warnings
from pathlib import Path

import pytest

from intelligen.errors import ShrunkError, StorageError
from intelligen.sweep.execution.trial_log import trial_log


def test_all_that_a_trial_says_is_in_its_log_and_still_goes_where_it_went(tmp_path: Path, capfd) -> None:
    with trial_log(tmp_path / "t0000", rank=0, echo=True) as log:
        log.info("epoch 1")
        logging.getLogger("some.library").warning("slow")
        warnings.warn("odd", stacklevel=1)
        print("printed")
        print("told", file=sys.stderr)
    text = (tmp_path / "t0000" / "trial.log").read_text()
    for said in ("INFO epoch 1", "WARNING slow", "odd", "printed\n", "told\n"):
        assert said in text
    out, err = capfd.readouterr()
    assert (out, "told" in err) == ("printed\n", True)


def test_what_is_logged_as_well_as_printed_is_written_once(tmp_path: Path) -> None:
    with trial_log(tmp_path, rank=0, echo=False):
        print("printed")
        logging.getLogger().warning("printed")
    assert (tmp_path / "trial.log").read_text().count("printed") == 1


def test_after_the_trial_nothing_more_gets_into_its_log(tmp_path: Path) -> None:
    handlers = list(logging.getLogger().handlers)
    with trial_log(tmp_path, rank=0, echo=True):
        kept = sys.stderr
    assert logging.getLogger().handlers == handlers
    before = (tmp_path / "trial.log").read_text()
    print("later", file=kept)
    logging.getLogger().warning("later")
    assert (tmp_path / "trial.log").read_text() == before
    assert sys.stderr is not kept


def test_a_failure_leaves_its_traceback_and_another_attempt_appends(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of luck"), trial_log(tmp_path, rank=0, echo=True):
        raise RuntimeError("out of luck")
    with trial_log(tmp_path, rank=0, echo=True) as log:
        log.info("again")
    text = (tmp_path / "trial.log").read_text()
    assert "Traceback" in text
    assert "RuntimeError: out of luck" in text
    assert text.endswith("again\n")


def test_a_trial_that_is_stopped_has_not_failed(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), trial_log(tmp_path, rank=0, echo=True):
        raise SystemExit(0)
    text = (tmp_path / "trial.log").read_text()
    assert "the sweep ended this training after an epoch" in text
    assert "Traceback" not in text


def test_every_rank_has_a_log_of_its_own(tmp_path: Path) -> None:
    for rank in (0, 1):
        with trial_log(tmp_path, rank=rank, echo=True) as log:
            log.info("rank %d", rank)
    assert (tmp_path / "trial-rank1.log").read_text().endswith("rank 1\n")
    assert "rank 1" not in (tmp_path / "trial.log").read_text()


def test_the_user_part_of_an_address_is_blotted_out(tmp_path: Path) -> None:
    with trial_log(tmp_path, rank=0, echo=True) as log:
        log.info("reading https://me:canary@host/data")
        print("https://me:canary@host/data")
    text = (tmp_path / "trial.log").read_text()
    assert "host/data" in text
    assert "canary" not in text


def test_a_directory_that_cannot_be_written_is_named() -> None:
    with pytest.raises(StorageError, match="/proc/nowhere"), trial_log(Path("/proc/nowhere"), rank=0, echo=True):
        pass


def test_an_error_of_ours_is_a_line_and_has_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(StorageError), trial_log(tmp_path, rank=0, echo=True):
        raise StorageError("the disk is full")
    (line,) = (tmp_path / "trial.log").read_text().splitlines()
    assert line.endswith("ERROR this attempt failed: the disk is full")


def test_a_trial_that_goes_on_in_smaller_parts_has_not_failed(tmp_path: Path) -> None:
    with pytest.raises(ShrunkError), trial_log(tmp_path, rank=0, echo=True):
        raise ShrunkError("in parts of 400 tokens")  # which the training has noted
    assert (tmp_path / "trial.log").read_text() == ""
