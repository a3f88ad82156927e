"""Translation is scored by sacreBLEU's corpus BLEU and chrF."""

from intelligen.config import experiment
from intelligen.data.bleu import require_bleu_tokenizer
from intelligen.data.prepared import Prepared
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks.base import Task


class Translation(Task):
    """From a source sentence to a target sentence.

    Args:
        settings: The experiment's; they name BLEU's tokenizer and what selects weights, and so what ranks.

    """

    def __init__(self, settings: experiment.Translation) -> None:
        self._settings = settings
        super().__init__(
            (Bleu(settings.tokenizer), ChrF()),
            reported=settings.reported_scores,
            watched=settings.watched_metric.partition("/")[2],
            further={"ter": "TER", "moses_bleu": "Moses BLEU"},
        )

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse references whose words BLEU's tokenizer does not tell apart."""
        require_bleu_tokenizer(self._settings, prepared, key=f"{key}.bleu_tokenizer")
