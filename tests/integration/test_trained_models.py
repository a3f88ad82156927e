"""A trained model is named as SWEEP/TRIAL, by its directory or by its experiment; it scores test sets old and new."""

import gzip
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from pretrained_models import make_regression
from test_sweep import SWEEP

from intelligen.analysis.study import read_study
from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_sweep
from intelligen.config.schema.learned_metric import LearnedMetric
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.stages_after_search import BeamSize, Scoring
from intelligen.errors import StorageError
from intelligen.models.pretrained.regression import load_regression
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.launch_file import write_launch
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import RESULT, SELECTED
from intelligen.sweep.execution.workers import score
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_store import open_client
from intelligen.training.replay import Recorded, replay
from intelligen.training.scores_file import current_score_files, read_scores, require_scored, scored_split
from intelligen.training.trained_model import TrainedModel

Call = Callable[..., tuple[int, str, str]]


@dataclass
class Project:
    """A working directory: a baseline, a fine-tuned model, and a sweep whose two trials are these."""

    directory: Path

    @property
    def runs(self) -> Path:
        return self.directory / "runs"

    @property
    def sweep(self) -> Path:
        return self.runs / "sweeps" / "tiny"

    @property
    def trial(self) -> Path:
        return self.sweep / "trials" / "t0001"

    def copy(self, directory: Path) -> "Project":
        return Project(Path(shutil.copytree(self.directory, directory / "copy")))


def call(project: Project, *words: str, typed: str | bytes = "") -> Result:
    return CliRunner().invoke(commands, [*words, "--runs", str(project.runs)], input=typed, catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    (project.directory / "corpus").mkdir()
    write_tiny_corpus(project.directory / "corpus")
    experiment, sweep = project.directory / "experiment.yaml", project.directory / "sweep.yaml"
    experiment.write_text(TINY_EXPERIMENT.replace("folder: corpus", f"folder: {project.directory / 'corpus'}"))
    sweep.write_text(SWEEP)
    assert call(project, "train", str(experiment)).exit_code == 0
    assert call(project, "finetune", str(experiment), "--strategy", "gen").exit_code == 0
    write_sweep(project, sweep)
    return project


def write_sweep(project: Project, file: Path) -> None:
    """As a sweep leaves it whose test stage has scored the trial, and the baseline of all sweeps on these data."""
    (prepared,) = (project.runs / "prepared").iterdir()
    (baseline,) = (project.runs / "baselines").iterdir()
    (tuned,) = (project.runs / "finetuned").iterdir()
    kept: dict[str, Any] = {"seed": 1, "params": {}, "config": {}}
    settings, experiment = load_sweep(file)
    with Ledger.open(project.sweep, sweep_fingerprint(settings, experiment, data=DataOfRows(prepared.name))) as ledger:
        write_launch(project.sweep, settings, tracking_uri=f"sqlite:///{project.directory}/mlflow.db")
        shutil.copytree(tuned, project.trial)
        ledger.start("baseline-1", kind="baseline", row="standard", directory=str(baseline), **kept)
        ledger.start("t0001", kind="trial", row="generative", directory="trials/t0001", number=1, **kept)
        for name, directory in (("baseline-1", baseline), ("t0001", project.trial)):
            ledger.finish(name, TrialState.COMPLETE, "trained to its end")
            model = TrainedModel.load(directory, store=project.runs, device=torch.device("cpu"))
            ledger.score(name, model.score("test").metrics())


@pytest.fixture
def project(trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy to write into, and the working directory."""
    for name in ("MLFLOW_TRACKING_URI", "INTELLIGEN_RUNS"):
        monkeypatch.delenv(name, raising=False)
    project = trained.copy(tmp_path)
    monkeypatch.chdir(project.directory)
    write_tables(project.directory)
    return project


def write_tables(directory: Path) -> None:
    """The validation set in each form that a new test set may have."""
    sides = [(directory / "corpus" / f"valid.{side}").read_text().splitlines() for side in ("en", "de")]
    pairs = list(zip(*sides, strict=True))
    table = "source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in pairs)
    (directory / "new.tsv").write_text(table)
    lines = "".join(json.dumps({"source": source, "target": target}) + "\n" for source, target in pairs)
    (directory / "new.jsonl.gz").write_bytes(gzip.compress(lines.encode()))


def test_a_model_is_named_by_its_sweep_its_directory_or_its_experiment(project: Project) -> None:
    forms = (
        ["tiny/t0001"],
        ["sweep.yaml/t0001"],
        [str(project.trial)],
        [str(project.trial.relative_to(project.directory))],
        ["experiment.yaml", "--strategy", "gen"],
    )
    scored = [call(project, "test", *form, "--json") for form in forms]
    documents = [json.loads(found.stdout) for found in scored]
    assert all(document["scores"][0]["metrics"] == documents[0]["scores"][0]["metrics"] for document in documents)
    translations = [call(project, "inference", *form, typed="ape bee\n\n").stdout for form in forms]
    assert translations == [translations[0]] * len(forms)
    baseline = [call(project, "test", *form, "--json").stdout for form in (["tiny/baseline-1"], ["experiment.yaml"])]
    assert json.loads(baseline[0])["scores"][0]["bleu"] == json.loads(baseline[1])["scores"][0]["bleu"]
    assert json.loads(baseline[0])["scores"][0]["bleu"] != documents[0]["scores"][0]["bleu"]


def test_a_directory_finds_its_data_whatever_the_runs_directory_is(project: Project, tmp_path: Path) -> None:
    found = CliRunner().invoke(commands, ["test", str(project.trial), "--runs", str(tmp_path / "none")])
    assert found.exit_code == 0, found.output


@pytest.mark.parametrize("verb", ["test", "inference"])
@pytest.mark.parametrize("model", ["tiny/t0001", "runs/sweeps/tiny/trials/t0001"])
@pytest.mark.parametrize("unused", [["-o", "seed=3"], ["-o", "no.such.key=3"], ["--strategy", "gen"]])
def test_what_a_trained_trial_would_not_use_is_refused(
    project: Project, capfd: pytest.CaptureFixture[str], verb: str, model: str, unused: list[str]
) -> None:
    assert guarded(lambda: commands.main([verb, model, *unused], standalone_mode=False)) == 2
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith(f"error: {' '.join(unused)}: ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("test tiny", 2, "say which trial of tiny: tiny/baseline-1, tiny/t0001"),
        ("test tiny/t0009", 2, "no trial 't0009'"),
        ("test tinny/t0001", 2, 'did you mean "tiny"?'),
        ("test corpus", 65, "not the directory of a trial"),
        ("test sweep.yaml", 2, "a sweep file; give the experiment file"),
        ("test experiment.yaml --search greedy --beam-size 3", 2, "greedy search has no beam"),
        ("test experiment.yaml -o strategy.name=generative", 2, "name the strategy with --strategy NAME"),
        ("test experiment.yaml --strategy gen -o strategy=standard", 2, "--strategy gen names a strategy already"),
        ("train experiment.yaml -o finetuning.epochs=3", 2, "give it to finetune"),
        ("test tiny/t0001 --data new=new.tsv --split test", 2, "--split test: --data scores new test sets only"),
        ("test tiny/t0001 --data test=new.tsv", 2, "has a split of that name"),
        ("test tiny/t0001 --data Train=new.tsv", 2, "has a split of that name"),
        ("test tiny/t0001 --data ../new=new.tsv", 2, "'../new' is not a valid name"),
        ("test tiny/t0001 --data new.tsv", 2, "write NAME=FILE (.tsv, .csv or .jsonl) or NAME=SOURCE,TARGET"),
        ("test tiny/t0001 --data new=a,b,c", 2, "write NAME=FILE (.tsv, .csv or .jsonl) or NAME=SOURCE,TARGET"),
        ("test tiny/t0001 --data 'new={file: new.tsv, source_feld: src}'", 2, 'did you mean "source_field"'),
        ("test tiny/t0001 --data 'new={file: '", 2, "--data new={file: "),
        ("test tiny/t0001 --data 'new={}'", 2, "--data new={}: file: required, but missing"),
        ("test tiny/t0001 --data a=new.tsv --data a=new.jsonl.gz", 2, "two test sets are called a"),
        ("test tiny/t0001 --data new=absent.tsv", 65, "absent.tsv: no such file"),
        ("test tiny/t0001 --data new=/dev/null", 65, "/dev/null: is not a regular file: write its contents into one"),
        ("test tiny/t0001 --data new=corpus/valid.en", 2, "is no table; give a .tsv, .csv or .jsonl file"),
        ("test tiny/t0001 --data new=corpus/valid.en,corpus/train.de", 65, "has 24 lines"),
        ("resume tiny -o name=other", 2, "intelligen run FILE -o name=NEW"),
        ("resume tiny -o experiment.seed=3", 2, "keeps its name and experiment"),
        ("finetune sweep.yaml", 2, "a sweep file; give the experiment file"),
        ("logs tiny/t0001 t0001", 2, "names a trial already"),
        ("promote tiny/t0001 --trial t0001", 2, "names a trial already"),
        ("logs --lines 3", 2, "--lines: without SWEEP"),
        ("logs --follow", 2, "--follow: without SWEEP"),
        ("watch --interval 3", 2, "--interval: without SWEEP"),
        ("extend tiny --trials-per-strategy 4 -o budget.trials_per_strategy=5", 2, "give one of them"),
    ],
)
def test_what_would_be_ignored_or_is_wrong_is_one_line(
    project: Project, capfd: pytest.CaptureFixture[str], words: str, code: int, said: str
) -> None:
    assert guarded(lambda: commands.main(shlex.split(words), standalone_mode=False)) == code
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines()), said in err) == ("", 1, True), out + err


def test_a_new_test_set_is_scored_as_a_split_of_the_same_pairs(project: Project) -> None:
    split = json.loads(call(project, "test", "tiny/t0001", "--split", "valid", "--json").stdout)["scores"][0]
    forms = ("a=new.tsv", "b=new.jsonl.gz", "c=corpus/valid.en,corpus/valid.de")
    data = [word for form in forms for word in ("--data", form)]
    document = json.loads(call(project, "test", "tiny/t0001", *data, "--json").stdout)
    assert [one["name"] for one in document["scores"]] == ["a", "b", "c"]
    for one in document["scores"]:
        assert {key: one[key] for key in ("metrics", "bleu", "signatures", "pairs")} == {
            key: split[key] for key in ("metrics", "bleu", "signatures", "pairs")
        }
        stored = json.loads((project.trial / "scores" / f"{one['name']}-beam.json").read_text())
        assert (stored["files"], len(stored["hypotheses"])) == (one["files"], 24)
    assert list(document["scores"][2]["files"]) == ["corpus/valid.en", "corpus/valid.de"]
    words = ["test", "tiny/t0001", "--data", "a=new.tsv", "--data", "z=absent.tsv", "--search", "greedy"]
    lines = CliRunner().invoke(commands, words).stdout  # what was scored before the mistake is told
    assert "a, greedy search, 24 rows" in lines
    assert "nrefs:1|case:mixed" in lines
    assert (project.trial / "scores" / "a-greedy.json").exists()


def test_a_new_test_set_is_read_by_the_rules_of_the_splits(project: Project) -> None:
    (project.directory / "odd.tsv").write_bytes("\ufeffsource\ttarget\r\n\taffe\r\nape\tbiene\r\n".encode())
    document = json.loads(call(project, "test", "tiny/t0001", "--data", "odd=odd.tsv", "--json").stdout)
    assert document["scores"][0]["notes"] == {"bom": 1, "crlf": 3, "empty_source": 1}
    (project.directory / "columns.tsv").write_text("src\ttgt\nape\taffe\n")
    refused = CliRunner().invoke(commands, ["test", "tiny/t0001", "--data", "new=columns.tsv"])
    form = re.search("which is which: --data '(.*?)'", str(refused.exception))
    assert form is not None
    assert call(project, "test", "tiny/t0001", "--data", form[1].replace("NAME=", "new=")).exit_code == 0
    (project.directory / "bad.tsv").write_text("source\ttarget\nape\t\n")
    found = CliRunner().invoke(commands, ["test", "tiny/t0001", "--data", "bad=bad.tsv"])
    assert "bad.tsv:2: empty target" in str(found.exception)


def test_references_without_spaces_between_words_are_warned_of(project: Project) -> None:
    (project.directory / "han.tsv").write_text("source\ttarget\nape bee\t猿蜂\n")
    for form in ((), ("--json",)):
        found = call(project, "test", "tiny/t0001", "--data", "han=han.tsv", "--data", "new=new.tsv", *form)
        assert found.exit_code == 0
        (line,) = (line for line in found.stderr.splitlines() if line.startswith("warning"))
        assert "100% of the characters of the han references are Han" in line


def test_a_new_table_of_quoted_fields_is_refused_and_read_as_the_message_says(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    quoted = (project.directory / "new.tsv").read_text().splitlines()
    lines = ["\t".join(f'"{cell}"' for cell in line.split("\t")) for line in quoted]
    (project.directory / "quoted.tsv").write_text("\n".join(lines) + "\n")
    words = ["test", "tiny/t0001", "--data", "new=quoted.tsv"]
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == 65
    fix = shlex.split(capfd.readouterr().err.partition("CSV with ")[2].partition(", or as text")[0])
    read = json.loads(call(project, *words[:2], *(word.replace("NAME", "new") for word in fix), "--json").stdout)
    plain = json.loads(call(project, *words[:3], "plain=new.tsv", "--json").stdout)
    assert read["scores"][0]["bleu"] == plain["scores"][0]["bleu"]


def test_a_beam_of_one_finds_what_greedy_search_finds_and_every_size_is_found_again(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    scoring = Scoring(searches=("greedy", BeamSize(beam=1), BeamSize(beam=9), "mbr"))
    found = score(
        str(project.trial), str(project.runs), Resources(gpus_per_worker=0).model_dump_json(), scoring.model_dump_json()
    )
    files = {path.stem: read_scores(path) for path in current_score_files(project.trial)}
    assert files.keys() == {"test-beam", "test-greedy", "test-beam_size1", "test-beam_size9", "test-mbr"}
    assert files["test-beam_size1"].hypotheses == files["test-greedy"].hypotheses != files["test-beam_size9"].hypotheses
    assert {scored_split(project.trial / "scores" / f"{name}.json") for name in files} == {"test"}
    for name in ("test-beam_size9", "test-mbr"):
        assert found[f"{name}/bleu"] == files[name].metrics["test/bleu"]
    require_scored(project.trial, found, own_search="beam")
    (project.trial / "scores" / "test-beam_size9.json").unlink()
    with pytest.raises(StorageError) as caught:
        require_scored(project.trial, found, own_search="beam")
    command = str(caught.value).rpartition(": ")[2]
    assert command.endswith("--search beam --beam-size 9")
    assert call(project, *shlex.split(command)[1:]).exit_code == 0
    require_scored(project.trial, found, own_search="beam")


def test_a_learned_metric_scores_every_search_where_the_sweep_names_one(project: Project, tmp_path: Path) -> None:
    metric = LearnedMetric(path=str(make_regression(tmp_path / "metric")), batch=7)
    scoring = Scoring(searches=("greedy",), learned_metric=metric)
    resources = Resources(gpus_per_worker=0).model_dump_json()
    found = score(str(project.trial), str(project.runs), resources, scoring.model_dump_json())
    references = (project.directory / "corpus" / "test.de").read_text().splitlines()
    model = load_regression(metric, torch.device("cpu"))
    for file, name in (("test-beam", "test"), ("test-greedy", "test-greedy")):
        stored = read_scores(project.trial / "scores" / f"{file}.json")
        values = model.values(references, stored.hypotheses)
        assert found[f"{name}/learned"] == pytest.approx(sum(values) / len(values))
        assert stored.signatures["learned_signature"] == model.signature
    without = score(str(project.trial), str(project.runs), resources, Scoring().model_dump_json())
    assert without == {key: value for key, value in found.items() if "greedy" not in key and key != "test/learned"}


def test_no_record_of_the_sweep_takes_up_a_new_test_set_or_another_search(project: Project, tmp_path: Path) -> None:
    ledger, study = (project.sweep / LEDGER_FILE).read_bytes(), read_study(project.sweep, store=project.runs)
    words = ["--data", "new=new.tsv", "--data", "test-greedy=new.tsv"]
    assert call(project, "test", "tiny/t0001", *words).exit_code == 0
    for further in (["--beam-size", "1"], ["--search", "sample"], ["--data", "new=new.tsv", "--search", "greedy"]):
        assert call(project, "test", "tiny/t0001", *further).exit_code == 0
    assert (project.sweep / LEDGER_FILE).read_bytes() == ledger
    with Ledger.open(project.sweep, {}) as opened:
        # Also where a test set is called as the ledger calls a split by another search.
        opened.score("t0001", {"test-greedy/bleu": 1.0})
    again = read_study(project.sweep, store=project.runs)
    assert (again.members[1].decoded, again.test_sets) == (study.members[1].decoded, study.test_sets)

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mirror = MlflowMirror(project.sweep, tracking_uri=uri, experiment="tiny")
    mirror.sync()
    mirror.close(60)
    client = open_client(uri)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    (run,) = (run for run in runs if run.data.tags.get("trial_id") == "t0001")
    assert run.data.metrics["test/bleu"] == study.members[1].record.scores["test/bleu"]
    assert not [name for run in runs for name in run.data.metrics if name.startswith("new")]
    artifacts = {Path(file.path).stem for file in client.list_artifacts(run.info.run_id, "scores")}
    assert artifacts == {"test-beam", "test-beam_size1", "test-sample"}


def test_a_replay_decodes_the_splits_again_and_no_new_test_set(project: Project, tmp_path: Path) -> None:
    assert call(project, "test", "tiny/t0001", "--data", "new=new.tsv", "--beam-size", "2").exit_code == 0
    assert call(project, "test", "tiny/t0001", "--beam-size", "2").exit_code == 0
    (project.directory / "new.tsv").unlink()
    found = replay(Recorded.read(project.trial, store=project.runs), tmp_path / "again")
    keys = {one.key for one in found.comparisons if one.key.startswith("hypotheses/")}
    assert (found.identical, keys) == (True, {"hypotheses/test-beam", "hypotheses/test-beam_size2"})


def test_what_earlier_weights_have_decoded_is_not_compared(project: Project) -> None:
    result = unseal((project.trial / RESULT).read_text())
    assert [path.stem for path in current_score_files(project.trial)] == ["test-beam"]
    (project.trial / RESULT).write_text(seal(json.dumps(result | {"sha256": "0" * 64})))
    assert current_score_files(project.trial) == []


def test_an_unfinished_model_says_so(project: Project) -> None:
    (project.trial / RESULT).unlink()
    found = call(project, "test", "tiny/t0001", "--json")
    assert json.loads(found.stdout)["finished"] is False
    assert "training has not finished" in found.stderr


def test_weights_that_are_gone_are_made_again_as_the_message_says(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(words: list[str]) -> int:
        return guarded(lambda: commands.main(words, standalone_mode=False))

    (tuned,) = (project.runs / "finetuned").iterdir()
    before = (tuned / SELECTED).read_bytes()
    (tuned / SELECTED).write_bytes(before[:-1])
    assert run(["test", "experiment.yaml", "--strategy", "gen"]) == 74
    result = capfd.readouterr().err.partition("delete ")[2].partition(" and train again")[0]
    Path(result).unlink()
    assert run(["finetune", "experiment.yaml", "--strategy", "gen"]) == 0
    assert run(["test", "experiment.yaml", "--strategy", "gen"]) == 0
    assert (tuned / SELECTED).read_bytes() == before


def test_damaged_hypotheses_are_decoded_again_as_the_message_says(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    (project.trial / "scores" / "test-beam.json").write_text("{}")
    words = ["report", "tiny"]
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == 74
    assert "decode the split again" in capfd.readouterr().err
    assert call(project, "test", "tiny/t0001").exit_code == 0
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == 0


def test_the_command_that_a_message_names_makes_the_model(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = ["experiment.yaml", "--strategy", "gen", "-o", "seed=9", "-o", "strategy.mle_weight=0.25"]
    wanted += ["--runs", "other runs"]
    for _ in range(2):
        assert guarded(lambda: commands.main(["test", *wanted], standalone_mode=False)) == 69
        first = capfd.readouterr().err.strip().partition("run: ")[2]
        code = guarded(lambda first=first: commands.main(shlex.split(first)[1:], standalone_mode=False))
        if code == 69:  # its own start is missing
            second = capfd.readouterr().err.strip().partition("run: ")[2]
            assert guarded(lambda second=second: commands.main(shlex.split(second)[1:], standalone_mode=False)) == 0
    assert guarded(lambda: commands.main(["test", *wanted], standalone_mode=False)) == 0
