"""By what products are computed: chosen where a training begins, recorded, kept to its end and in its replays."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.base import canonical_json
from intelligen.config.schema.compute import Compute, Matmul
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.training import Training
from intelligen.errors import ConfigError
from intelligen.models import matmul
from intelligen.models.matmul import matmul_in_use, matmul_used, offers
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_result import SELECTED
from intelligen.training import matmul_choice
from intelligen.training.fit import fit
from intelligen.training.matmul_choice import chosen_matmul, faster_matmul, fixed_matmul, recorded_matmul
from intelligen.training.replay import Recorded, replay
from intelligen.training.reproducibility_manifest import MANIFEST_FILE, read_manifests
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

CPU = torch.device("cpu")
TINY = Seq2Seq(d_model=32, d_ff=64, heads=2, encoder_layers=1, decoder_layers=1)
needs_onednn = pytest.mark.skipif(not offers("onednn"), reason="this build of torch has no such operator")


@pytest.fixture(scope="module", autouse=True)
def _small_ones_too_and_discernibly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(matmul, "_LEAST_MULTIPLICATIONS", 1)
        # On some processors both libraries round alike: so it shows which one has computed.
        by_onednn = matmul._onednn
        patched.setattr(matmul, "_onednn", lambda *factors: by_onednn(*factors) * (1 + 2**-22))
        yield


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with matmul_used("mkl"):
        yield


@pytest.fixture(scope="module")
def by_onednn(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial that was trained by oneDNN. Look, and do not touch."""
    directory = tmp_path_factory.mktemp("trials") / "undisturbed"
    fit(trial_of(tiny_store), Runtime(tiny_store[0], directory, matmul="onednn"))
    return directory


def trial_of(store: tuple[Path, str]) -> Trial:
    return tiny_trial(store[1])


def interrupt(report: Report) -> None:
    raise KeyboardInterrupt


@needs_onednn
def test_a_trial_says_by_what_it_was_trained_and_learns_the_same(
    by_onednn: Path, tiny_store: tuple[Path, str], tmp_path: Path
) -> None:
    assert matmul_in_use() == "mkl"  # as before the training
    fit(trial_of(tiny_store), Runtime(tiny_store[0], tmp_path / "mkl"))
    assert (recorded_matmul(by_onednn), recorded_matmul(tmp_path / "mkl")) == ("onednn", "mkl")
    losses = [
        [report.metrics["train/loss"] for report in read_history(place / HISTORY_FILE)]
        for place in (by_onednn, tmp_path / "mkl")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert (by_onednn / SELECTED).read_bytes() != (tmp_path / "mkl" / SELECTED).read_bytes()


@needs_onednn
@pytest.mark.parametrize("told", ["mkl", "onednn"])
def test_a_resumed_trial_goes_on_as_its_record_says(
    told: Matmul, by_onednn: Path, tiny_store: tuple[Path, str], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(trial_of(tiny_store), Runtime(tiny_store[0], tmp_path / "t", matmul="onednn", report=interrupt))
    fit(trial_of(tiny_store), Runtime(tiny_store[0], tmp_path / "t", matmul=told))
    assert [one.matmul for one in read_manifests(tmp_path / "t").values()] == ["onednn"]
    assert (tmp_path / "t" / SELECTED).read_bytes() == (by_onednn / SELECTED).read_bytes()


def test_a_trial_of_an_earlier_revision_goes_on_by_mkl(tiny_store: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(trial_of(tiny_store), Runtime(tiny_store[0], tmp_path / "t", report=interrupt))
    manifest = tmp_path / "t" / MANIFEST_FILE
    manifest.write_text(
        json.dumps({key: it for key, it in json.loads(manifest.read_text()).items() if key != "matmul"})
    )
    fit(trial_of(tiny_store), Runtime(tiny_store[0], tmp_path / "t", matmul="onednn"))
    assert [*read_manifests(tmp_path / "t")] == [0]  # nothing has changed since
    assert recorded_matmul(tmp_path / "t") == "mkl"


@needs_onednn
def test_a_replay_computes_as_the_trial_did(by_onednn: Path, tiny_store: tuple[Path, str], tmp_path: Path) -> None:
    found = replay(Recorded.read(by_onednn, store=tiny_store[0]), tmp_path / "again")
    assert found.identical
    assert found.recorded.changes == ()
    assert recorded_matmul(tmp_path / "again") == "onednn"


@needs_onednn
def test_a_replay_names_it_where_this_torch_cannot(
    by_onednn: Path, tiny_store: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intelligen.training.replay.offers", lambda wanted: wanted == "mkl")
    assert Recorded.read(by_onednn, store=tiny_store[0]).changes == ("matmul: onednn → mkl",)


@needs_onednn
def test_a_trained_model_decodes_as_it_was_trained(by_onednn: Path, tiny_store: tuple[Path, str]) -> None:
    TrainedModel.load(by_onednn, store=tiny_store[0], device=CPU)
    assert matmul_in_use() == "onednn"


@pytest.mark.parametrize(
    ("setting", "variable", "expected"),
    [
        ("auto", None, None),
        ("auto", "auto", None),
        ("auto", "onednn", "onednn"),
        ("mkl", "onednn", "mkl"),
        ("onednn", "mkl", "onednn"),
    ],
)
def test_the_environment_stands_for_auto_alone(
    setting: str, variable: str | None, expected: Matmul | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(matmul_choice.MATMUL_VARIABLE)
    if variable is not None:
        monkeypatch.setenv(matmul_choice.MATMUL_VARIABLE, variable)
    assert fixed_matmul(Compute.model_validate({"matmul": setting})) == expected


def test_a_wrong_word_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(matmul_choice.MATMUL_VARIABLE, "openblas")
    with pytest.raises(ConfigError, match="INTELLIGEN_MATMUL: must be auto, mkl or onednn, got openblas"):
        fixed_matmul(Compute())


@needs_onednn
@pytest.mark.parametrize(
    ("onednn_ms", "expected"), [(5, "onednn"), (9, "onednn"), (9.8, "mkl"), (10, "mkl"), (20, "mkl")]
)
def test_onednn_is_chosen_only_where_it_is_clearly_faster(
    onednn_ms: float, expected: Matmul, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matmul_choice, "_timed", lambda layer: onednn_ms if matmul_in_use() == "onednn" else 10)
    assert faster_matmul(TINY, Training()) == expected


@needs_onednn
def test_the_shortest_times_decide_since_other_work_makes_most_of_them_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed = itertools.cycle([9.0, 31.0, 28.0])
    monkeypatch.setattr(matmul_choice, "_timed", lambda layer: 10.0 if matmul_in_use() == "onednn" else next(disturbed))
    assert faster_matmul(TINY, Training()) == "mkl"


def test_no_trial_is_found_again_by_it() -> None:
    plain = Experiment(version=1, name="tiny")
    chosen = Experiment(version=1, name="tiny", compute=Compute(matmul="onednn"))
    assert canonical_json(plain) == canonical_json(Experiment(version=1, name="tiny", compute=Compute()))
    assert baseline_trial(plain, prepared="x").identity == baseline_trial(chosen, prepared="x").identity


@pytest.mark.parametrize("batch", [{"batch_tokens": 300}, {"batch_rows": 20}, {"micro_batch_tokens": 16}])
def test_timing_leaves_no_trace(batch: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matmul_choice, "_MULTIPLICATIONS", 2**20)
    drawn = torch.random.get_rng_state()
    assert faster_matmul(TINY, Training.model_validate(batch)) in ("mkl", "onednn")
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert matmul_in_use() == "mkl"


def test_nothing_is_timed_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(matmul_choice.MATMUL_VARIABLE)
    monkeypatch.setattr(matmul_choice, "_timed", None)
    assert chosen_matmul(Compute(), TINY, Training(), device=torch.device("cuda", 0)) == "mkl"
