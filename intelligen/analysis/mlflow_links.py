"""Links into MLflow's interface: to a run, and to a sweep's prepared comparison."""

import shlex
from urllib.parse import urlsplit, urlunsplit

from intelligen.state.mlflow_run_ids import RunIds
from intelligen.state.redaction import redact_text

_SERVERS = ("http", "https")
# Where `mlflow ui` answers by default.
_LOCAL = "http://127.0.0.1:5000"
_TRAINING = "workflowType=machine_learning"


def comparison_path(experiment_id: str, view: str | None) -> str:
    """The prepared comparison under a saved view's key; all runs of the experiment where there is none."""
    key = "" if view is None else f"viewStateShareKey={view}&"
    return f"/#/experiments/{experiment_id}/runs?{key}{_TRAINING}"


def run_path(experiment_id: str, run_id: str) -> str:
    """One run."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def interface(tracking_uri: str) -> str:
    """Where the interface over a store answers: a server's own address, or that of `mlflow ui` on this machine."""
    parts = urlsplit(tracking_uri)
    if parts.scheme not in _SERVERS:
        return _LOCAL
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def interface_command(tracking_uri: str) -> str | None:
    """What starts the interface over a database, to be typed; none where a server shows it."""
    if urlsplit(tracking_uri).scheme in _SERVERS:
        return None
    return f"mlflow ui --backend-store-uri {shlex.quote(redact_text(tracking_uri))}"


def compare_lines(tracking_uri: str, runs: RunIds) -> list[str]:
    """How to open a sweep's prepared comparison: a command where one is needed, then the address."""
    command = interface_command(tracking_uri)
    path = "" if runs.experiment is None else comparison_path(runs.experiment, runs.view)
    return [*([] if command is None else [command]), interface(tracking_uri) + path]
