"""Other experiment files that an experiment names: whose weights it starts from, and whose vocabularies it has."""

from collections.abc import Iterator
from pathlib import Path

from intelligen.addresses import absolute
from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems
from intelligen.config.files.examined import validated
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.shipped_files import located_from_file
from intelligen.config.files.suggested_fixes import fixes_in_file
from intelligen.config.files.text_file import displayed
from intelligen.config.files.yaml_file import read_document
from intelligen.config.schema.data import OfExperiment, Tokenizer
from intelligen.config.schema.experiment import Experiment
from intelligen.errors import ConfigError

_INITIAL: Key = ("initial", "experiment")
_TOKENIZER: Key = ("data", "tokenizer", "experiment")


def initial_experiment(experiment: Experiment) -> Experiment | None:
    """The experiment whose weights another one starts from, with that one's seed; none where it names none.

    Raises:
        ConfigError: there is no such file, it is wrong, it starts from initial weights itself, or it does not keep the
            weights of the epoch.

    """
    if experiment.initial is None or experiment.initial.experiment is None:
        return None
    named, path = named_experiment(Path(experiment.initial.experiment))
    if named.initial is not None:
        raise ConfigError(
            f"{displayed(path)} has `initial` itself, and a run that starts from a run goes no further back; train that"
            " file, and name its run's directory: initial.path"
        )
    kept, epoch = named.training.keep_epochs or (), experiment.initial.epoch
    if epoch is not None and epoch not in kept:
        there = f"of {', '.join(map(str, kept))} alone" if kept else "of no epoch"
        raise ConfigError(
            f"{displayed(path)} keeps the weights {there}, not those of initial.epoch {epoch}; name the epoch under its"
            " training.keep_epochs"
        )
    return named.model_copy(update={"seed": experiment.seed})


def check_named_experiments(experiment: Experiment, document: Document, *, path: Path | None = None) -> None:
    """Look at the files that an experiment names.

    Args:
        experiment: Its settings.
        document: Its file, for the lines in messages.
        path: The file's.

    Raises:
        ConfigError: One of them is wrong or does not fit, with the line of the key that names it.

    """
    problems = problems_of_named(experiment, path=path)
    raise_problems([problem_line(document.origin(key), dotted(key), what) for key, what in problems])


def problems_of_named(experiment: Experiment, *, path: Path | None = None) -> Iterator[tuple[Key, str]]:
    """What is wrong with the files that an experiment names, each with the key that names it; `path` is its own."""
    for key, check in (
        (_INITIAL, lambda: initial_experiment(experiment)),
        (_TOKENIZER, lambda: _require_fitting_vocabularies(experiment, () if path is None else (absolute(path),))),
    ):
        try:
            check()
        except ConfigError as error:
            yield from ((key, str(line)) for line in error.args)


def _require_fitting_vocabularies(experiment: Experiment, chain: tuple[Path, ...]) -> Tokenizer | None:
    """What learns the vocabularies of an experiment, which may be another one's, and so on; none = they are brought.

    Args:
        experiment: Its settings.
        chain: The files that ask each other for vocabularies, this one's last.

    """
    settings = experiment.data.tokenizer
    if not isinstance(settings, OfExperiment):
        return settings if isinstance(settings, Tokenizer) else None
    named, path = named_experiment(Path(settings.experiment))
    if absolute(path) in chain:
        circle = " → ".join(displayed(one) for one in (*chain, absolute(path)))
        raise ConfigError(f"none of these experiments learns vocabularies: {circle}")
    learning = _require_fitting_vocabularies(named, (*chain, absolute(path)))
    if learning is None:
        raise ConfigError(
            f"{displayed(path)} has the vocabulary of a pre-trained model; take it from the model itself:"
            " data.tokenizer {name: pretrained, path: …}"
        )
    needed = experiment.model.joint_vocabulary_for
    if needed and not learning.joint:
        raise ConfigError(
            f"{displayed(path)} has separate vocabularies, and model.{needed} needs a joint one; set"
            " data.tokenizer.joint: true there"
        )
    return learning


def named_experiment(path: Path) -> tuple[Experiment, Path]:
    """The experiment in a file that another one names, or in a shipped one where there is none, and the file's place.

    Raises:
        ConfigError: There is no such file, or it is wrong.

    """
    path = located_from_file(path)
    with fixes_in_file(str(path)):
        return validated(Experiment, with_fragments(read_document(path), path, Experiment)), path
