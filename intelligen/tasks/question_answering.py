"""Question answering: models write the answer to a question, scored as SQuAD is and by chrF and BLEU."""

from collections.abc import Sequence

from intelligen.config.schema import tasks
from intelligen.data.bleu_tokenizers import require_bleu_tokenizer, unspaced_references
from intelligen.data.prepared_data import Prepared
from intelligen.evaluation.metric import ExactMatch, TokenF1
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks.text_generation import TextGeneration


class QuestionAnsweringTask(TextGeneration):
    """From a question to its answer."""

    source, target = "question", "answer"

    def __init__(self, settings: tasks.QuestionAnswering) -> None:
        self._answering = settings
        super().__init__(settings, (ExactMatch(), TokenF1(), ChrF(), Bleu(settings.tokenizer)))

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse references whose words BLEU's tokenizer does not separate."""
        require_bleu_tokenizer(self._answering, prepared, column=self.target, key=f"{key}.bleu_tokenizer")

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Why its BLEU says little, where the words of its references are not apart."""
        return unspaced_references(self._answering, split, references)
