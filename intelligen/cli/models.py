"""prepare, train, finetune, test, inference: the source projects' modes, without Ray."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.cli.options import (
    device_option,
    experiment_argument,
    override_option,
    runs_option,
    search_options,
)
from intelligen.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    import torch

    from intelligen.config.decoding import Search
    from intelligen.config.experiment import Experiment, Trial
    from intelligen.training.testing import TrainedModel

STRATEGIES = (
    "standard, auxiliary, recurrent, generative, seqgan, intelligen (std, aux, rec, gen, slow, intelli),"
    " or a control: standard_matched, seqgan_constant, seqgan_random"
)
SHOWN = ("bleu", "chrf", "loss", "exposure_gap", "prefix_switch_gap")
FURTHER_SCORES = {"chrf": "chrF", "ter": "TER", "moses_bleu": "Moses BLEU"}


@click.command()
@experiment_argument
@override_option
@runs_option
def prepare(experiment: Path, overrides: tuple[str, ...], runs: Path) -> None:
    """Read, filter and tokenise an experiment's data; say what was found in them."""
    from intelligen.data.describing import describe

    settings = _load(experiment, overrides)
    for line in describe(_prepared(settings, runs)):
        click.echo(line)


@click.command()
@experiment_argument
@override_option
@runs_option
@device_option
def train(experiment: Path, overrides: tuple[str, ...], runs: Path, device: str) -> None:
    """Train an experiment's baseline by teacher forcing, from random weights."""
    from intelligen.config.experiment import baseline_trial

    settings = _load(experiment, overrides)
    trial = baseline_trial(settings, prepared=_prepared(settings, runs).identity)
    _fit(trial, _baseline_directory(trial, runs), runs, device)


@click.command()
@experiment_argument
@click.option("--strategy", help=f"{STRATEGIES}; the experiment's own where not given.")
@override_option
@runs_option
@device_option
def finetune(experiment: Path, strategy: str | None, overrides: tuple[str, ...], runs: Path, device: str) -> None:
    """Go on from the baseline with a training strategy."""
    settings = _load(experiment, overrides, strategy)
    prepared = _prepared(settings, runs).identity
    trial, directory, baseline = _finetuning(settings, prepared, runs)
    _require_result(baseline, f"intelligen train {experiment}")
    _fit(trial, directory, runs, device)


@click.command()
@experiment_argument
@click.option("--strategy", help="Score the model that this strategy fine-tuned; the baseline where not given.")
@click.option("--trial", "trial_directory", type=click.Path(path_type=Path), help="Score a sweep's trial directory.")
@click.option("--split", default="test", show_default=True, help="train is not decoded; any other split is.")
@search_options
@override_option
@runs_option
@device_option
def test(
    experiment: Path,
    strategy: str | None,
    trial_directory: Path | None,
    split: str,
    search: str | None,
    beam_size: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
) -> None:
    """Decode and score a split: BLEU with interval and signature, chrF, loss."""
    trained = _trained(experiment, strategy, trial_directory, overrides, runs, device)
    known = [name for name in trained.prepared.splits if name != "train"]
    if split not in known:
        raise ConfigError(f"--split: no split {split!r} to score; there are {', '.join(known)}")
    found = trained.score(split, search=_search(search, beam_size))
    metrics, bleu = found.evaluation.metrics, found.bleu
    click.echo(f"{trained.directory}: {split}, {found.search.name} search")
    click.echo(
        f"BLEU {bleu.value:.2f} [{bleu.low:.2f}, {bleu.high:.2f}]  {found.evaluation.signatures['bleu_signature']}"
    )
    for metric, shown in FURTHER_SCORES.items():
        if metric in metrics:
            click.echo(f"{shown} {metrics[metric]:.2f}  {found.evaluation.signatures[f'{metric}_signature']}")
    click.echo(
        f"loss {metrics['loss']:.4f} nats/token  length ratio {metrics['length_ratio']:.3f}"
        f"  unfinished {metrics['unfinished_pct']:.1f} %"
    )
    click.echo(
        f"token accuracy {metrics['teacher_forced_accuracy']:.3f} teacher-forced,"
        f" {metrics['free_running_accuracy']:.3f} free-running"
    )


@click.command()
@experiment_argument
@click.option("--strategy", help="Use the model that this strategy fine-tuned; the baseline where not given.")
@click.option("--trial", "trial_directory", type=click.Path(path_type=Path), help="Use a sweep's trial directory.")
@search_options
@override_option
@runs_option
@device_option
def inference(
    experiment: Path,
    strategy: str | None,
    trial_directory: Path | None,
    search: str | None,
    beam_size: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
) -> None:
    """Translate standard input line by line; on a terminal, prompt for lines."""
    from intelligen.cli.translating import translate_standard_input
    from intelligen.training.result import read_trial

    trained = _trained(experiment, strategy, trial_directory, overrides, runs, device)
    translate_standard_input(trained, _search(search, beam_size) or read_trial(trained.directory).decoding.test)


def _load(path: Path, overrides: tuple[str, ...], strategy: str | None = None) -> "Experiment":
    """The experiment; another strategy comes before the overrides, which may be of its settings."""
    from intelligen.config.loading import load_experiment
    from intelligen.config.strategies import ALIASES, STRATEGY_NAMES

    if strategy is None:
        return load_experiment(path, overrides)
    full = ALIASES.get(strategy, strategy)
    if full not in STRATEGY_NAMES:
        known = ", ".join([*STRATEGY_NAMES, *ALIASES])
        raise ConfigError(f"--strategy: unknown strategy {strategy!r}; there are {known}")
    return load_experiment(path, (f"strategy.name={full}", *overrides))


def _prepared(settings: "Experiment", runs: Path):  # type: ignore[no-untyped-def] # heavy type, imported late
    from intelligen.cli.progress import counting
    from intelligen.data.preparing import prepare as prepare_data

    with counting() as on_progress:
        return prepare_data(settings.data, runs, on_progress=on_progress)


def _baseline_directory(trial: "Trial", runs: Path) -> Path:
    return runs / "baselines" / trial.identity


def _finetuning(settings: "Experiment", prepared: str, runs: Path) -> tuple["Trial", Path, Path]:
    """The fine-tuning trial, its directory, and the directory of the baseline that it starts from."""
    from intelligen.config.experiment import baseline_trial, finetuning_trial

    baseline = baseline_trial(settings, prepared=prepared)
    trial = finetuning_trial(settings, prepared=prepared, start=baseline.identity)
    return trial, runs / "finetuned" / f"{trial.strategy.name}-{trial.identity}", _baseline_directory(baseline, runs)


def _require_result(directory: Path, mend: str) -> None:
    from intelligen.training.result import read_result

    if read_result(directory) is None:
        raise UnavailableError(f"{directory}: has not been trained to its end; run: {mend}")


def _trained(
    experiment: Path,
    strategy: str | None,
    trial_directory: Path | None,
    overrides: tuple[str, ...],
    runs: Path,
    device: str,
) -> "TrainedModel":
    from intelligen.config.experiment import baseline_trial
    from intelligen.training.testing import TrainedModel

    if trial_directory is None:
        settings = _load(experiment, overrides, strategy)
        prepared = _prepared(settings, runs).identity
        if strategy is None:
            trial_directory = _baseline_directory(baseline_trial(settings, prepared=prepared), runs)
            _require_result(trial_directory, f"intelligen train {experiment}")
        else:
            _, trial_directory, _ = _finetuning(settings, prepared, runs)
            _require_result(trial_directory, f"intelligen finetune {experiment} --strategy {strategy}")
    return TrainedModel.load(trial_directory, store=runs, device=_device(device))


def _search(name: str | None, beam_size: int | None) -> "Search | None":
    from intelligen.config.decoding import Beam, Greedy, Sample

    if beam_size is not None and name not in (None, "beam"):
        raise ConfigError(f"--beam-size: {name} search has no beam; use --search beam")
    if name == "greedy":
        return Greedy()
    if name == "sample":
        return Sample()
    return None if name is None and beam_size is None else Beam(size=beam_size or Beam().size)


def _device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device: no such device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(f"--device: asks for {name}, this machine has {torch.cuda.device_count()} GPUs; use cpu")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def _fit(trial: "Trial", directory: Path, runs: Path, device: str) -> None:
    from intelligen.cli.progress import TrainingProgress
    from intelligen.tracking.lock import trial_lock
    from intelligen.training.fit import fit
    from intelligen.training.runtime import Runtime

    with trial_lock(directory), TrainingProgress() as progress:
        runtime = Runtime(
            store=runs, directory=directory, device=_device(device), report=progress.report, updated=progress.updated
        )
        result = fit(trial, runtime)
    shown = [f"valid/{name}" for name in SHOWN if f"valid/{name}" in result.metrics]
    scores = "  ".join(f"{name} {result.metrics[name]:.4g}" for name in shown)
    click.echo(f"{directory}: {result.selected}; {result.stop_reason}")
    click.echo(scores)
