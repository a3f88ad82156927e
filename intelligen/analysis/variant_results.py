"""Results of variants of an experiment: what each row came to, or why it has no result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intelligen.analysis.chance_level import Chance
from intelligen.analysis.row_measures import RowMeasures, TrainedTrial, measure
from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.schema.rows import Row
from intelligen.state.trial_records import TrialState


@dataclass(frozen=True)
class VariantResult:
    """One variant, whatever became of it."""

    row: Row
    place: Mapping[str, Any]
    """Which row it is, under the names that the exports have."""
    measures: RowMeasures | None
    """None before an epoch has ended."""
    parameters: int | None
    note: str
    """That it did not learn, or why it has no scores; empty where there is nothing to say."""
    predicts_tokens: bool
    """Whether its losses and costs are by token."""
    device_flops: float | None = None
    """What a device sustains in a second, where the sweep says it."""

    def values(self, metrics: tuple[str, ...]) -> dict[str, Any]:
        """What training and validation came to, under the names that the exports have.

        Args:
            metrics: The task's reported ones.

        """
        found = self.measures
        valid: Mapping[str, float] = {} if found is None else found.valid
        tokens, sustained = found if self.predicts_tokens else None, self.device_flops
        shown = tokens is not None and "perplexity" not in metrics
        return {
            "epoch": found and found.epoch,
            "train/loss": found and found.train_loss,
            "valid/loss": valid.get("loss"),
            "valid/perplexity_per_piece": tokens.perplexity if tokens is not None and shown else None,
            **{f"valid/{name}": valid.get(name) for name in metrics},
            "parameters": self.parameters,
            "training_flops": None if tokens is None or self.parameters is None else tokens.flops(self.parameters),
            "training_flops_by_time": None if found is None or sustained is None else found.flops_by_time(sustained),
        }


def variant_results(study: StudyResults) -> dict[str, VariantResult]:
    """Row → what became of it, in the file's order; empty where rows are strategies."""
    if not study.compared.variants:
        return {}
    chance = None if study.data is None else Chance.of(study.data, study.primary[0])
    systems = {system.name: system.members for system in study.systems}
    by_token, device_flops = study.task.settings.predicts_tokens, study.sweep.device_flops
    results = {}
    for name, row in study.compared.variants.items():
        members = systems.get(name, ())
        measures = measure([_trained(one) for one in members], metric=study.metric, split=study.primary[0])
        note = chance.verdict(measures) if chance is not None and measures is not None else ""
        if not any(member.decoded for member in members):
            note = why_no_scores(study, name)
        results[name] = VariantResult(
            row, study.compared.named(name), measures, study.parameters.get(name), note, by_token, device_flops
        )
    return results


def _trained(member: SeedModel) -> TrainedTrial:
    return TrainedTrial(member.record, member.reports, member.result)


def why_no_scores(study: StudyResults, name: str) -> str:
    """Of a row that no test set has been scored of."""
    own = [member.record for member in study.searched + study.confirmations if member.record.row == name]
    failed = [record for record in own if record.state is TrialState.FAILED]
    if failed and len(failed) == len(own):
        return f"failed: {failed[-1].stop_reason or 'no reason is known'}"
    if not own:
        return "not trained yet"
    splits = study.fingerprint["experiment"]["data"]["corpus"].get("splits")
    return "its data have no test set" if splits is not None and "test" not in splits else "not tested yet"
