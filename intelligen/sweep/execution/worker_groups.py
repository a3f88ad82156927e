"""Worker groups: Ray Train's, without what it starts for data sets of Ray's own."""

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.execution.callback import RayTrainCallback


class GroupTrainer(TorchTrainer):  # type: ignore[misc] # Ray is not typed
    """Ray Train's trainer, without the process that would hand out data sets: our workers read prepared data."""

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        # Ray 2.60 has no setting for it.
        return [one for one in super()._create_default_callbacks() if not isinstance(one, DatasetsCallback)]
