"""Question answering: models write the answer to a question, scored as SQuAD is and by chrF and BLEU."""

from collections.abc import Sequence

import torch

from intelligen.config.schema import tasks
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.data.bleu_tokenizers import require_bleu_tokenizer, unspaced_references
from intelligen.data.nearest_rows import nearest_rows
from intelligen.data.prepared_data import Prepared, Split
from intelligen.evaluation import Evaluation
from intelligen.evaluation.answer_columns import AnswerColumn, read_both_ways
from intelligen.evaluation.metric import ExactMatch, TokenF1
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.models.interfaces import Generator
from intelligen.tasks.text_generation import TextGeneration


class QuestionAnsweringTask(TextGeneration):
    """From a question to its answer, or to one of several."""

    source, target = "question", "answer"

    def __init__(self, settings: tasks.QuestionAnswering) -> None:
        self._answering = settings
        script = settings.script
        metrics = (ExactMatch(script), TokenF1(script), ChrF(several=True), Bleu(settings.tokenizer, several=True))
        super().__init__(settings, metrics)

    def answer_columns(
        self,
        model: Generator,
        split: Split,
        evaluation: Evaluation,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
    ) -> tuple[AnswerColumn, ...]:
        """The model with the answer's own prefix in sight, on its own, and the answer of the nearest training question.

        A model that copies what its decoder reads is right in the first column alone.
        """
        vocabulary = prepared.tokenizer(self.target)
        found = read_both_ways(
            model,
            self.examples(split, prepared),
            vocabulary=vocabulary,
            search=search,
            decoding=decoding,
            device=device,
            seed=seed,
            tokenizer=self._answering.tokenizer,
        )
        means, references = found.sums.means(), self.references(split)
        copied = self._answers_of_nearest(prepared, split)
        # Without a single token of its own there is no loss.
        shown = {"accuracy": "token_accuracy", "loss": "loss"}
        forced, own = (
            {name: means[f"{way}_{key}"] for key, name in shown.items() if f"{way}_{key}" in means}
            for way in ("forced", "own")
        )
        return (
            AnswerColumn(
                "teacher_forced",
                "teacher-forced",
                "reads the answer's own prefix; no use score",
                found.forced,
                forced | self._scored(found.forced, references),
            ),
            AnswerColumn(
                "autoregressive",
                "autoregressive",
                "what a user gets",
                evaluation.hypotheses,
                own | {metric.name: evaluation.metrics[metric.name] for metric in self.metrics},
            ),
            AnswerColumn(
                "nearest_training_question",
                "nearest training question",
                "its answer, by tf-idf; no model",
                copied,
                self._scored(copied, references),
            ),
        )

    def _answers_of_nearest(self, prepared: Prepared, split: Split) -> list[str]:
        """Of the training questions that are most like a split's; of training data there are tokens alone."""
        train, read = prepared.split("train").columns, prepared.tokenizer(self.source)
        known, asked = (
            read.decode([column[row].tolist() for row in range(len(column))])
            for column in (train[self.source], split.columns[self.source])
        )
        nearest = nearest_rows(known, asked)
        return prepared.tokenizer(self.target).decode([train[self.target][row].tolist() for row in nearest])

    def _scored(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        return {metric.name: metric.score(answers, references) for metric in self.metrics}

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse references whose words BLEU's tokenizer does not separate."""
        require_bleu_tokenizer(self._answering, prepared, column=self.target, key=f"{key}.bleu_tokenizer")

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Why its BLEU says little, where the words of its references are not apart."""
        return unspaced_references(self._answering, split, references)
