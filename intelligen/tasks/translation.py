"""Translation: sentence pairs; models write sentences, scored by sacreBLEU's corpus BLEU and chrF."""

from collections.abc import Sequence
from dataclasses import replace

from intelligen.config.schema import tasks
from intelligen.data.bleu_tokenizers import require_bleu_tokenizer, unspaced_references
from intelligen.data.prepared_data import Prepared
from intelligen.evaluation import Evaluation, Shard, score
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks.text_generation import TextGeneration


class TranslationTask(TextGeneration):
    """From a source sentence to a target sentence.

    Args:
        settings: The experiment's; they name BLEU's tokenizer and what selects weights, and so what ranks.

    """

    def __init__(self, settings: tasks.Translation) -> None:
        self._translation = settings
        super().__init__(
            settings, (Bleu(settings.tokenizer), ChrF()), further={"ter": "TER", "moses_bleu": "Moses BLEU"}
        )

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse references whose words BLEU's tokenizer does not separate."""
        require_bleu_tokenizer(self._translation, prepared, key=f"{key}.bleu_tokenizer")

    def score(self, shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
        """By sacreBLEU itself, with more measures than the metrics'; metrics that it lacks are computed beside it."""
        settings = self._translation
        found = score(shards, references, tokenizer=settings.tokenizer, moses_language=settings.moses_bleu)
        further = {
            metric.name: metric.score(found.hypotheses, references)
            for metric in self.metrics
            if metric.name not in found.metrics
        }
        return replace(found, metrics={**found.metrics, **further})

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Why its BLEU says little, where the words of its references are not apart."""
        return unspaced_references(self._translation, split, references)
