"""Section of the winners' settings: each row's best trial as lines of an experiment file."""

from intelligen.analysis.study import StudyResults
from intelligen.config.metric_direction import best
from intelligen.reporting.html.page import Section
from intelligen.reporting.html.page_tables import settings_of


def settings_section(study: StudyResults) -> Section:
    """One text to copy per row, of the trial that a confirmation repeats; empty where no trial has a score."""
    settings, pasted = settings_of(study), {}
    for name in study.strategies:
        own = [one for one in study.searched if one.record.row == name and one.value(study.metric) is not None]
        chosen = best(study.metric, own, value=lambda one: one.value(study.metric))
        if chosen is not None:
            score = f"{study.metric} {study.form(study.metric).format(chosen.value(study.metric))}"
            found = settings.best(chosen.record, label=study.label(name), score=score)
            pasted[f"{study.label(name)}, {chosen.record.id}"] = "\n".join(found.lines())
    how = f"Each {study.compared.word}'s best trial on the validation set; {settings.how_to_use}."
    return Section("settings", "Best settings", text=how if pasted else "", pasted=pasted)
