"""A plan as a notebook shows it: what would run, how long it would take, and what to know before."""

from collections.abc import Mapping
from typing import Any

from intelligen.analysis.html_blocks import html_table
from intelligen.config.experiment_lines import settings_words

_STAGES = {"baseline_s": "baseline", "search_s": "search", "confirm_s": "confirmation"}


def plan_html(document: Mapping[str, Any]) -> str:
    """Resources and costs, sampled trials, warnings.

    Args:
        document: The plan's, as JSON has it.

    """
    sweep, cost = document["sweep"], document["cost"]
    facts = [("runs on", document["place"]), ("devices", document["devices"])]
    if cost is None:
        facts.append(("time", f"not estimated: {document['no_cost'] or 'the budget is not a number of trials'}"))
    else:
        facts += [(name, _minutes(cost[key])) for key, name in _STAGES.items() if cost[key]["high"]]
        hours = cost["device_hours"]
        facts.append(("cost", f"{hours['low']:.2g} to {hours['high']:.2g} device-hours"))
        facts.append(("from", document["based_on"]))
    facts += [("can find", line) for line in document["power"]]
    facts += [("warning", line) for line in document["warnings"]]
    if document["refusal"]:
        facts.append(("cannot run", document["refusal"]))
    trials = [_trial(one) for one in document["trials"]]
    sampled = html_table(["", "settings", "time"], trials, caption="Trials at random points of the space")
    return html_table(["plan of", sweep["name"]], facts) + sampled


def _trial(trial: Mapping[str, Any]) -> list[object]:
    name = trial["strategy"] if "strategy" in trial else trial["label"]
    seconds = trial["seconds"]
    time = f"would fail: {trial['refused']}" if trial["refused"] else seconds and _minutes(seconds)
    return [name, settings_words(trial["settings"]), time]


def _minutes(span: Mapping[str, float]) -> str:
    return f"{span['low'] / 60:.1f} to {span['high'] / 60:.1f} min"
