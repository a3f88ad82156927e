"""The pyfunc model of a promoted trial: translates, from settings and weights that lie beside it.

MLflow copies this file into the model and executes it when the model is loaded ("models from code").
"""

from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class Translator(PythonModel):
    """Translates as `intelligen inference` does, by the trial's own test search; on a GPU where there is one."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model that was packed with this file."""
        import torch

        from intelligen.tracking.packed_model import STORE, TRIAL_FOLDER
        from intelligen.training.trained_model import TrainedModel

        store = Path(context.artifacts[STORE])
        device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        self._trained = TrainedModel.load(store / TRIAL_FOLDER, store=store, device=device)

    def predict(self, model_input: list[str]) -> list[str]:  # type: ignore[override] # MLflow's other form
        """One translation per line; an empty line stays empty."""
        from intelligen.state.trial_result import read_trial
        from intelligen.training.translate import LINES_TOGETHER, translate

        search = read_trial(self._trained.directory).decoding.test
        translations: list[str] = []
        for start in range(0, len(model_input), LINES_TOGETHER):
            translations += translate(self._trained, model_input[start : start + LINES_TOGETHER], search=search)
        return translations


set_model(Translator())
