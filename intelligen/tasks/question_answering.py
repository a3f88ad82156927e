"""Question answering: models write the answer to a question, scored as SQuAD is and by chrF and BLEU."""

from intelligen.config.schema import tasks
from intelligen.evaluation.metric import ExactMatch, TokenF1
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks.text_generation import TextGeneration


class QuestionAnsweringTask(TextGeneration):
    """From a question to its answer."""

    source, target = "question", "answer"

    def __init__(self, settings: tasks.QuestionAnswering) -> None:
        super().__init__(settings, (ExactMatch(), TokenF1(), ChrF(), Bleu(settings.tokenizer)))
