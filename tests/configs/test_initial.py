"""Initial weights in experiment files: one source, a file that is checked with the one that names it."""

from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, SWEEP, assert_reported, messages_of, refusal

from intelligen.config.base import canonical_json
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.experiment import Experiment, baseline_trial, finetuning_trial
from intelligen.config.schema.initial import Initial, InitialWeights
from intelligen.errors import ConfigError

folder = refusals.folder
HEAD = SWEEP.replace("budget: {trials: 2}\n", "")
FROM_FILE = f"{EXPERIMENT}initial: {{experiment: other.yaml}}  #!\n"


def weights(**changes: object) -> InitialWeights:
    return InitialWeights(weights="0" * 64, part="all", freeze=False, origin="here").model_copy(update=changes)


@pytest.mark.parametrize(
    ("initial", "reason"),
    [
        ("{part: all}", "needs a source of weights"),
        ("{experiment: experiment.yaml, path: x}", "two sources of weights"),
        ("{path: x, epoch: 3}", "epoch is one of an experiment's"),
        ("{path: x, part: half}", "must be one of"),
        ('{path: ""}', "initial.path"),
    ],
)
def test_another_form_is_refused(initial, reason, folder):
    assert_reported(folder / "e.yaml", f"{EXPERIMENT}initial: {initial}  #!\n", "initial", reason)


def test_a_part_that_the_model_does_not_have_is_refused_before_anything_is_trained(folder):
    text = f"{EXPERIMENT}model: {{name: decoder_only}}\ninitial: {{path: x, part: encoder}}  #!\n"
    assert_reported(
        folder / "e.yaml", text, "", "initial.part encoder: the model decoder_only has none; there are all,"
    )


def test_a_named_file_that_is_not_there_is_refused_at_its_line(folder):
    assert_reported(folder / "e.yaml", FROM_FILE, "initial.experiment", "no such file")


def test_a_mistake_in_the_named_file_is_reported_with_its_own_line(folder):
    (folder / "other.yaml").write_text(f"{EXPERIMENT}training:\n  epochs: ten\n")
    assert_reported(folder / "e.yaml", FROM_FILE, "other.yaml:4: training.epochs", "must be a whole number")


def test_a_named_file_with_initial_weights_of_its_own_is_refused(folder):
    (folder / "other.yaml").write_text(f"{EXPERIMENT}initial: {{path: x}}\n")
    assert_reported(folder / "e.yaml", FROM_FILE, "initial.experiment", "has `initial` itself")
    (folder / "other.yaml").write_text(f"{EXPERIMENT}initial: {{experiment: other.yaml}}\n")
    assert "has `initial` itself" in refusal(folder / "other.yaml")[0]


def test_an_epoch_that_the_named_file_does_not_keep_is_refused(folder):
    (folder / "other.yaml").write_text(f"{EXPERIMENT}training: {{keep_epochs: [2, 4]}}\n")
    text = f"{EXPERIMENT}initial:\n  experiment: other.yaml  #!\n  epoch: 3\n"
    assert_reported(folder / "e.yaml", text, "initial.experiment", "keeps the weights of 2, 4 alone, not those of")
    (folder / "other.yaml").write_text(EXPERIMENT)
    assert_reported(folder / "e.yaml", text, "initial.experiment", "keeps the weights of no epoch")
    (folder / "other.yaml").write_text(f"{EXPERIMENT}training: {{keep_epochs: [3]}}\n")
    assert load_experiment(folder / "e.yaml").initial is not None


def test_a_sweep_s_experiment_is_checked_with_the_file_that_it_names(folder):
    (folder / "experiment.yaml").write_text(FROM_FILE)
    (folder / "sweep.yaml").write_text(f"{SPACE}  finetuning.optimizer.learning_rate: {{uniform: [0.1, 0.2]}}\n")
    (message,) = refusal(folder / "sweep.yaml")
    assert message.startswith(f"{folder / 'experiment.yaml'}:3: initial.experiment: ")
    (folder / "other.yaml").write_text(EXPERIMENT)
    _, experiment = load_sweep(folder / "sweep.yaml")
    assert initial_experiment(experiment) == load_experiment(folder / "other.yaml")


def test_an_override_is_named_where_it_is_wrong(folder):
    with pytest.raises(ConfigError) as caught:
        load_experiment(folder / "experiment.yaml", ("initial.experiment=gone.yaml",))
    (message,) = messages_of(caught.value)
    assert message.startswith("-o initial.experiment=gone.yaml: ")


def test_paths_start_at_the_file_that_names_them(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "e.yaml").write_text(f"{EXPERIMENT}initial: {{path: vectors.txt, part: embeddings}}\n")
    initial = load_experiment(folder / "inner" / "e.yaml").initial
    assert initial == Initial(path=str(folder / "inner" / "vectors.txt"), part="embeddings")
    (folder / "inner" / "e.yaml").write_text(FROM_FILE)
    (folder / "inner" / "other.yaml").write_text(EXPERIMENT)
    assert load_experiment(folder / "inner" / "e.yaml").initial == Initial(experiment=str(folder / "inner/other.yaml"))


def test_a_shipped_experiment_is_found(folder):
    experiment = load_experiment(folder / "experiment.yaml", ("initial.experiment=experiments/embedded_small.yaml",))
    named = initial_experiment(experiment)
    assert named is not None
    assert named.name == load_experiment(Path("experiments/embedded_small.yaml")).name


def test_the_named_experiment_gets_the_seed_of_the_one_that_names_it(folder):
    (folder / "other.yaml").write_text(f"{EXPERIMENT}seed: 3\n")
    (folder / "e.yaml").write_text(f"{FROM_FILE}seed: 7\n")
    named = initial_experiment(load_experiment(folder / "e.yaml"))
    assert named is not None
    assert named.seed == 7
    assert initial_experiment(load_experiment(folder / "experiment.yaml")) is None


def test_a_trial_s_identity_has_the_weights_and_their_use_but_not_where_they_are_from():
    experiment = Experiment(version=1, name="tiny", initial=Initial(path="x"))

    def identity(initial: InitialWeights) -> str:
        return baseline_trial(experiment, prepared="p", initial=initial).identity

    random = baseline_trial(experiment.model_copy(update={"initial": None}), prepared="p")
    assert "initial" not in canonical_json(random)
    assert identity(weights()) == identity(weights(origin="there"))
    others = [weights(weights="1" * 64), weights(part="encoder"), weights(freeze=True)]
    assert len({random.identity, identity(weights()), *map(identity, others)}) == 5


def test_a_fine_tuning_keeps_only_what_stays_frozen():
    experiment = Experiment(version=1, name="tiny", initial=Initial(path="x"))

    def trial(initial: InitialWeights) -> InitialWeights | None:
        return finetuning_trial(experiment, prepared="p", start="s", initial=initial).initial

    assert trial(weights()) is None
    assert trial(weights(freeze=True)) == weights(freeze=True)


@pytest.mark.parametrize(
    "setting", ["initial: {experiment: gone.yaml}", "data.tokenizer: {name: of_experiment, experiment: gone.yaml}"]
)
def test_a_file_that_a_row_names_is_checked_at_the_row_s_line(setting, folder):
    rows = "rows:\n  variants:\n    control: base\n    of:\n      base: {}\n      other:\n        "
    key = f"rows.variants.of.other.{setting.partition(':')[0]}"
    assert_reported(folder / "sweep.yaml", f"{HEAD}{rows}{setting}  #!\n", key, "gone.yaml: no such file")
