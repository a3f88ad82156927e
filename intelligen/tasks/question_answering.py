"""Question answering: models write the answer to a question, scored as SQuAD is and by chrF and BLEU."""

from intelligen.config.schema import tasks
from intelligen.evaluation.metric import ExactMatch, TokenF1
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks.text_generation import TextGeneration


class QuestionAnsweringTask(TextGeneration):
    """From a question to its answer, or to one of several."""

    source, target = "question", "answer"

    def __init__(self, settings: tasks.QuestionAnswering) -> None:
        script = settings.script
        metrics = (ExactMatch(script), TokenF1(script), ChrF(several=True), Bleu(settings.tokenizer, several=True))
        super().__init__(settings, metrics)
