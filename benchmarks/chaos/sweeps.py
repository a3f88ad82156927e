"""Sweeps that are killed: files of a small one over strategies, and of one over rows that start from a run."""

from collections.abc import Mapping

# Every kind of resume: epochs, checkpoints inside them, early stops, a sampler that learns, a strategy that draws.
_EXPERIMENT = """
version: 1
name: kills
task: {selection_metric: valid/loss}
data:
  corpus: {name: embedded, train: 2000, valid: 60, test: 20}
  tokenizer: {vocabulary: 400}
  max_tokens: 100
model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 128}
training: {epochs: 2, epoch_updates: 60, batch_tokens: 500, optimizer: {learning_rate: 5.0e-3}}
finetuning:
  epochs: 4
  epoch_updates: 30
  checkpoint_updates: 12
  batch_tokens: 500
  average_last: 2
  schedule: {name: constant, warmup_updates: 0}
"""
_STRATEGIES = """
version: 1
name: kills
question: Is a killed sweep the sweep that it would have been?
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-4, 1.0e-2]}}
  strategy: {{choice: {{standard: {{}}, generative: {{probability.start: {{uniform: [0.05, 0.5]}}}}}}}}
search: {{startup_trials: 2}}
scheduler: {{name: asha, grace_epochs: 1, reduction_factor: 2}}
objective: {{metric: valid/loss, direction: minimize}}
budget: {{trials_per_strategy: {trials}}}
# On processors: there each bit is to be the same.
resources: {{workers: 1, gpus_per_worker: 0, concurrent_trials: 1, attempts: {attempts}}}
baseline: {{workers: 1, gpus_per_worker: 0, attempts: {attempts}}}
"""
_RESOURCES = _STRATEGIES[_STRATEGIES.index("# On processors") :]
_ROWS = """
version: 1
name: kills
experiment: experiment.yaml
rows:
  variants:
    control: base
    of:
      base: {{}}
      started: {{initial.experiment: first.yaml, initial.epoch: 1}}
objective: {{metric: valid/loss, direction: minimize}}
scheduler: {{name: none}}
"""


def over_strategies(*, trials: int, attempts: int) -> Mapping[str, str]:
    """Two strategies, searched by TPE with ASHA.

    Args:
        trials: Of each.
        attempts: At each trial, where its process dies.

    """
    return {"experiment.yaml": _EXPERIMENT, "sweep.yaml": _STRATEGIES.format(trials=trials, attempts=attempts)}


def over_rows(*, attempts: int) -> Mapping[str, str]:
    """Two rows with a baseline each, of which one starts from an epoch of a pre-training.

    Args:
        attempts: At each trial, where its process dies.

    """
    first = _EXPERIMENT.replace("name: kills", "name: first", 1).replace(
        "training: {", "training: {keep_epochs: [1], ", 1
    )
    sweep = (_ROWS + _RESOURCES).format(attempts=attempts)
    return {"experiment.yaml": _EXPERIMENT, "first.yaml": first, "sweep.yaml": sweep}
