"""Section of the best trials' settings: lines of an experiment file, to copy."""

from intelligen.analysis.best_settings import settings_use, study_settings
from intelligen.analysis.study import StudyResults
from intelligen.reporting.html.page import Section


def settings_section(study: StudyResults) -> Section:
    """A text per row, of its best trial on the validation set; empty where no trial has a score."""
    pasted = {f"{one.label}, {one.trial}": "\n".join(one.lines()) for one in study_settings(study)}
    how = f"Of each {study.compared.word} the best trial on the validation set; {settings_use(study)}."
    return Section("settings", "Settings of the best trials", text=how if pasted else "", pasted=pasted)
