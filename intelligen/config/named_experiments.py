"""Experiment files that an experiment names: whose weights it starts from, and whose vocabularies it takes."""

import os
from collections.abc import Iterator
from pathlib import Path

from intelligen.config.document import Key
from intelligen.config.files.config_errors import validated
from intelligen.config.files.includes import with_fragments
from intelligen.config.files.shipped_files import located
from intelligen.config.files.text_file import displayed, read_text
from intelligen.config.files.yaml_file import parse_document
from intelligen.config.schema.data import Tokenizer
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.model import Transformer
from intelligen.errors import ConfigError


def named_experiment(name: str) -> Experiment:
    """The experiment in a file that another one names; a shipped one where there is no such file.

    Raises:
        ConfigError: there is none, or it is wrong.

    """
    path = Path(name)
    shipped = located(Path(os.path.relpath(path)))
    path = shipped if shipped.is_file() and not os.path.lexists(path) else path
    return validated(Experiment, with_fragments(parse_document(read_text(path), displayed(path)), path, Experiment))


def initial_experiment(experiment: Experiment) -> Experiment | None:
    """The experiment whose weights another one starts from, with that one's seed; none where it names none.

    Raises:
        ConfigError: there is no such file, it is wrong, it starts from initial weights itself, or it does not keep the
            weights of the epoch.

    """
    if experiment.initial is None or experiment.initial.experiment is None:
        return None
    named, name = named_experiment(experiment.initial.experiment), displayed(Path(experiment.initial.experiment))
    if named.initial is not None:
        raise ConfigError(
            f"{name} has `initial` itself, and a run that starts from a run goes no further back; train that"
            " file, and name its run's directory: initial.path"
        )
    kept, epoch = named.training.keep_epochs or (), experiment.initial.epoch
    if epoch is not None and epoch not in kept:
        there = f"of {', '.join(map(str, kept))} alone" if kept else "of no epoch"
        raise ConfigError(
            f"{name} keeps the weights {there}, not those of initial.epoch {epoch}; name the epoch under its"
            " training.keep_epochs"
        )
    return named.model_copy(update={"seed": experiment.seed})


def vocabulary_settings(experiment: Experiment) -> Tokenizer:
    """By which the vocabularies of an experiment are learnt, which may be another one's, and so on.

    Raises:
        ConfigError: one of the files is missing or wrong; they ask each other in a circle; there are separate
            vocabularies, and the model needs a joint one.

    """
    settings, chain = experiment.data.tokenizer, list[str]()
    while not isinstance(settings, Tokenizer):
        chain.append(settings.experiment)
        if chain.count(settings.experiment) > 1:
            circle = " → ".join(displayed(Path(name)) for name in chain)
            raise ConfigError(f"none of these experiments learns vocabularies: {circle}")
        settings = named_experiment(settings.experiment).data.tokenizer
    model = experiment.model
    needs_joint = model.joint_vocabulary_for if isinstance(model, Transformer) else None
    if chain and needs_joint and not settings.joint:
        what = f"learns separate vocabularies, and model.{needs_joint} needs a joint one"
        raise ConfigError(f"{displayed(Path(chain[-1]))} {what}; set data.tokenizer.joint: true there")
    return settings


def problems_of_named(experiment: Experiment) -> Iterator[tuple[Key, str]]:
    """What is wrong with the files that an experiment names, each with the key that names it."""
    for key, look in (
        (("initial", "experiment"), initial_experiment),
        (("data", "tokenizer", "experiment"), vocabulary_settings),
    ):
        try:
            look(experiment)
        except ConfigError as error:
            yield from ((key, str(line)) for line in error.args)
