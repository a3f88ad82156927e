"""A chat on standard input with a model that never comes to an end by itself: STORE IDENTITY TURNS."""

import sys
from pathlib import Path

import torch
from task_data import CPU, Parts, task_trial

from intelligen.cli.chat_loop import chat_on_standard_input
from intelligen.cli.main import guarded
from intelligen.config.schema.decoding import Decoding, Greedy
from intelligen.config.schema.experiment import Trial
from intelligen.data.special_tokens import EOS
from intelligen.training.chat import Chat
from intelligen.training.trained_model import TrainedModel


def endless(store: Path, identity: str, *, most: int = 5000) -> TrainedModel:
    """Random weights, of which EOS has none: another token is always more probable."""
    trial: Trial = task_trial("question_answering", "seq2seq", identity)
    model = trial.model.model_copy(update={"max_positions": most})
    trial = trial.model_copy(update={"model": model, "decoding": Decoding(max_length_offset=most)})
    parts = Parts(trial, store)
    with torch.no_grad():
        for weight in parts.model.parameters():
            if weight.size(0) == parts.prepared.tokenizer("answer").size:
                weight[EOS] = 0
    return TrainedModel(Path("endless"), trial, parts.task, parts.model.eval(), parts.prepared, CPU, "")


if __name__ == "__main__":
    chat = Chat(endless(Path(sys.argv[1]), sys.argv[2]), Greedy(), int(sys.argv[3]))
    sys.exit(guarded(lambda: chat_on_standard_input(chat)))
