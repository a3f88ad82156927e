"""A task's metrics are what its settings say, and none of them may point another way than its name."""

import pytest

from intelligen.config.experiment import Translation
from intelligen.evaluation.metric import Accuracy, Perplexity
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.tasks import Task, build_task


@pytest.mark.parametrize(
    ("selection", "reported"),
    [("valid/bleu", (Bleu("zh"),)), ("valid/chrf", (ChrF(), Bleu("zh"))), ("valid/loss", (Bleu("zh"),))],
)
def test_translation_ranks_by_what_selected_the_weights_and_always_reports_bleu(selection, reported):
    task = build_task(Translation(selection_metric=selection, bleu_tokenizer="zh"))
    assert task.reported == reported
    assert task.ranking == reported[0]
    assert (task.metrics, task.watched) == ((Bleu("zh"), ChrF()), ChrF())


class Distance(Accuracy):
    name = "distance"
    higher_is_better = False


def test_a_metric_that_points_another_way_than_its_name_is_refused():
    with pytest.raises(TypeError, match="metric distance: higher_is_better is False, and its name says otherwise"):
        Task([Distance()], reported=["distance"], watched="distance")
    assert Task([Perplexity()], reported=["perplexity"], watched="perplexity").ranking == Perplexity()
