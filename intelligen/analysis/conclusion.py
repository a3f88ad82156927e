"""Conclusion of a sweep in sentences: it claims no more than was shown, and says why nothing is ranked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from intelligen.analysis.answer_sentences import AnswerSentences
from intelligen.analysis.comparisons import asked_rows, planned_seeds
from intelligen.analysis.costs import StrategyCost
from intelligen.analysis.decoded import scored_as
from intelligen.analysis.memory_notes import memory_notes
from intelligen.analysis.next_step import NextStep, Step
from intelligen.analysis.power_words import power_after
from intelligen.analysis.result_rows import costs_of, primary, result_rows
from intelligen.analysis.search_analysis import SearchEffort, budget_differences
from intelligen.analysis.sequential_looks import sequential_plan
from intelligen.analysis.study import StudyResults
from intelligen.analysis.suggested_command import command_line
from intelligen.analysis.system_scores import Score
from intelligen.analysis.variant_results import variant_results
from intelligen.config.schema.early_stops import stopped_by_luck
from intelligen.config.schema.tasks import Translation
from intelligen.data.data_summary import leaks
from intelligen.state.trial_records import TrialState

_SAME_SCORE = 1e-6
LEARNT_BLEU = 1.0
"""Where no model reaches it, none translates: so much is due to a few frequent words."""


@dataclass(frozen=True)
class Conclusion:
    """What a study concludes: sentences, why nothing is ranked, and notes."""

    sentences: tuple[str, ...]
    refusals: tuple[str, ...]
    """Why nothing is ranked; empty where something is."""
    notes: tuple[str, ...]
    """What a reader of the table must know."""
    steps: tuple[Step, ...] = ()
    """What to do next, each once."""

    @property
    def sentence(self) -> str:
        """All of them."""
        return " ".join(self.sentences)


def answer_lines(found: Conclusion) -> Iterator[str]:
    """The answer for people, and below it each command that improves it, on a line of its own to be pasted."""
    steps = [step for step in found.steps if step.command]
    for number, sentence in enumerate(found.sentences):
        for step in steps:  # a full stop behind a command would be pasted with it
            sentence = sentence.replace(f" Next: {step}.", "")
        yield f"{'' if number else 'answer':8} {sentence}"
    for number, step in enumerate(steps):
        lines = ([f"{step.words}:"] if step.words else []) + [step.command]
        yield from (f"{'' if number or place else 'next':8} {line}" for place, line in enumerate(lines))


def conclusion_of(study: StudyResults) -> Conclusion:
    """What a study concludes, from its files alone."""
    rows = result_rows(study)
    return answer(study, [row.score for row in primary(study, rows)], costs_of(rows))


def winners(study: StudyResults) -> list[str]:
    """The rows that are shown to win; none where nothing is ranked, or nothing is decided."""
    rows = result_rows(study)
    scores = [row.score for row in primary(study, rows)]
    return [] if refusals(study) else AnswerSentences(study, scores, {}).winners()


def answer(study: StudyResults, rows: Sequence[Score], costs: Mapping[str, StrategyCost]) -> Conclusion:
    """Conclude from the primary comparison.

    Args:
        study: The study.
        rows: Its scores on the primary test set.
        costs: Of each system.

    """
    refused, unlearnt = tuple(refusals(study)), tuple(_unlearnt(study))
    steps: list[Step] = []
    if refused:
        sentences = [f"No {study.compared.word} is ranked: {'; '.join(refused)}."]
        steps = [NextStep(study).to_rank()] if not study.confirmations or _undecoded(study) else []
        sentences += [f"Next: {step}." for step in steps if not step.command]
    else:
        family = len(study.compared.asked(asked_rows(study)))
        sequential = sequential_plan(study.sweep, family=family)
        planned = study.units.count(planned_seeds(study))
        # How much models differ that have learnt nothing does not show what seeds will be needed.
        power = None if unlearnt else power_after(rows, family=family, seeds=planned, sequential=sequential)
        said = AnswerSentences(study, rows, costs, power, steps)
        sentences = [*said.all(), *_without_scores(study, rows), *_luck(study)]
    return Conclusion((*sentences, *unlearnt), refused, tuple(_notes(study)), tuple(dict.fromkeys(steps)))


def refusals(study: StudyResults) -> list[str]:
    """Reasons against judging anything, one clause each; empty where rows can be judged."""
    if not study.confirmations:
        unasked = study.sweep.confirm is None
        why = "its sweep file has no section `confirm`" if unasked else "the sweep has not reached that stage"
        noise = f"with one seed a {study.compared.word}'s effect cannot be separated from seed noise"
        return [f"nothing is confirmed with other seeds ({why}), and {noise}"]
    if waiting := _undecoded(study):
        return [f"{waiting}; next: {command_line('resume', study.directory)}"]
    return budget_differences(spent(study), study.sweep.budget, counted=study.task.settings.counted)


def _without_scores(study: StudyResults, rows: Sequence[Score]) -> Iterator[str]:
    """A sentence on each row that was asked about and has no score at all."""
    scored = {row.system for row in rows}
    for name in study.compared.asked(asked_rows(study)):
        if name not in scored:
            yield f"{study.label(name)} is not judged: it has no score."


def _luck(study: StudyResults) -> Iterator[str]:
    """A warning that each configuration may be the best of few trials that were stopped early."""
    trains = study.fingerprint["experiment"]["training" if study.sweep.trains else "finetuning"]
    trials = [one.trials // study.sweep.search.replicates for one in spent(study).values()]
    said = stopped_by_luck(study.sweep.scheduler, epochs=trains["epochs"], trials=trials, word=study.compared.word)
    if said is not None and study.sweep.space:
        yield f"{said[0].upper()}{said[1:]}."


def _unlearnt(study: StudyResults) -> Iterator[str]:
    """A warning that no model of a translation has learnt to translate."""
    values = [value for member in study.members if (value := member.value(study.metric)) is not None]
    if study.metric != "valid/bleu" or not isinstance(study.task.settings, Translation) or not values:
        return
    if max(values) < LEARNT_BLEU:
        yield (
            f"No model reaches {LEARNT_BLEU:g} BLEU in validation: the models have not learnt to translate, so the"
            " comparison says nothing; train for more epochs, or take a larger model or more data."
        )


def _undecoded(study: StudyResults) -> str:
    """What the test stage still has to do; empty where it has finished."""
    split, search = study.primary
    due = [member for member in study.confirmations if member.record.state is not TrialState.FAILED]
    left = [member for member in due if study.primary not in member.decoded]
    if not left:
        return ""
    done = f"decoded {split} by {search} search" if study.task.settings.writes_text else f"been tested on {split}"
    return f"{len(left)} of {len(due)} confirmed models have not {done} yet"


def spent(study: StudyResults) -> dict[str, SearchEffort]:
    """Row, by its label → what its trials of the search have spent, however they ended.

    Own controls have no budget: they are trained at their strategies' points, each once.
    """
    names = [name for name in study.strategies if name not in study.sweep.own_controls()]
    groups = {name: [m for m in study.searched if m.record.row == name] for name in names}
    return {
        study.label(name): SearchEffort(len(own), sum(m.device_s for m in own), sum(m.target_tokens for m in own))
        for name, own in groups.items()
    }


def _notes(study: StudyResults) -> list[str]:
    notes = [
        f"{member.record.id} ({study.label(member.record.row)}, seed {member.record.seed}) failed:"
        f" {member.record.stop_reason or 'no reason is known'}"
        for member in study.confirmations
        if member.record.state is TrialState.FAILED
    ]
    failed = sum(member.record.state is TrialState.FAILED for member in study.searched)
    if failed:
        notes.append(f"{failed} of {len(study.searched)} trials of the search failed")
    notes += [f"{one.row.label}: {one.note}" for one in variant_results(study).values() if one.note]
    if study.confirmations:
        notes += study.compared.missing_controls(study.strategies)
    ranking = study.task.ranking
    if study.metric != f"valid/{ranking.name}":
        notes.append(f"the search chose by {study.metric}, the test sets rank by {ranking.label}")
    notes += leaks(study.data) if study.data else []
    notes += _decoded_anew(study)
    notes += memory_notes(study)
    going_on = [member.record.id for member in study.members if member.record.state is TrialState.RUNNING]
    if going_on:
        notes.append(f"not ended yet: {', '.join(going_on)}")
    return notes


def _decoded_anew(study: StudyResults) -> Iterator[str]:
    """Notes on models whose hypotheses were written anew since the test stage scored them."""
    metric = study.task.ranking
    for member in study.members:
        for (split, search), decoded in member.decoded.items():
            scored = member.record.scores[scored_as((split, search), study.primary[1], metric.name)]
            now = decoded.score(metric.name)
            if abs(scored - now) > _SAME_SCORE:
                by_search = f" by {search} search" if search else ""
                yield (
                    f"{member.record.id}: its hypotheses for {split}{by_search} were rewritten after the"
                    f" sweep scored them: {metric.label} was {metric.text(scored)} and is {metric.text(now)}"
                )
