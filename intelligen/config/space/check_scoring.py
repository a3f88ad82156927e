"""Checks of a sweep's test stage: its scores have names of their own, and its models write what is scored."""

from intelligen.config.document import Document, dotted, problem_line
from intelligen.config.schema.data import EmbeddedCorpus
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.stages_after_search import possible_labels
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError


def check_scoring(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """Refuse what the test stage could not do.

    Raises:
        ConfigError: Two scores would have one name, or a learned metric would read no texts.

    """
    _require_distinct_scores(sweep, experiment, document)
    _require_texts_to_score(sweep, experiment, document)


def _require_distinct_scores(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """The scores of a split and of another one under a search have two names."""
    splits = {} if isinstance(experiment.data.corpus, EmbeddedCorpus) else experiment.data.corpus.splits
    for number, search in enumerate(sweep.test.searches or ()):
        labels = possible_labels(search)
        if clashing := [split for split in splits if split.endswith(tuple(f"-{label}" for label in labels))]:
            key = ("test", "searches", number)
            what = (
                f"scores by {labels[0]} would have the same name as those of the split {clashing[0]}; rename the split"
            )
            raise ConfigError(problem_line(document.origin(key), dotted(key), what))


def _require_texts_to_score(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """A learned metric reads texts."""
    if sweep.test.learned_metric is not None and not experiment.task.writes_text:
        key = ("test", "learned_metric")
        what = f"a learned metric reads texts, and models of the task {experiment.task.name} write none; remove it"
        raise ConfigError(problem_line(document.origin(key), dotted(key), what))
