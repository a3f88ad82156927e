"""What is to decode must have learnt to end its sentences: shape T, trained for a few minutes by our own loop."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus, Tokenizer
from intelligen.config.schema.decoding import Decoding
from intelligen.config.schema.experiment import Experiment, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.split_forms import ParallelText
from intelligen.config.schema.training import Optimizer, Schedule, Training
from intelligen.data.preparation import prepare
from intelligen.state import layout
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

# Shape T with normalisation after the residual sum: Marian has no other.
SHAPE = Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, norm="post", max_positions=256)
TRAINING = Training(
    epochs=1,
    epoch_updates=400,
    batch_tokens=1024,
    optimizer=Optimizer(learning_rate=1e-3),
    schedule=Schedule(warmup_updates=150),
)
MULTI30K = {"train": "train", "valid": "val", "test": "test_2016_flickr"}


def trained_model(store: Path, *, folder: Path | None = None) -> TrainedModel:
    """The model of a store, trained now if it has not been before.

    Args:
        store: Keeps the prepared data and the weights.
        folder: Holds the files of Multi30k, such as `train.en.gz`; none = the corpus inside the package.

    """
    prepared = prepare(_data(folder), store, columns=SOURCE_AND_TARGET)
    experiment = Experiment(
        version=1, name="benchmark", model=SHAPE, training=TRAINING, decoding=Decoding(max_length_offset=20)
    )
    trial = baseline_trial(experiment, prepared=prepared.identity)
    directory = layout.baseline(store, trial.identity)
    # Elsewhere: `fit` changes how its process keeps memory, and only where it has something to train.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(fit, trial, Runtime(store, directory)).result()
    return TrainedModel.load(directory, store=store, device=torch.device("cpu"))


def _data(folder: Path | None) -> Data:
    if folder is None:
        return Data(corpus=EmbeddedCorpus(train=20_000, valid=50, test=1000), tokenizer=Tokenizer(vocabulary=4000))
    splits = {split: ParallelText(source=f"{name}.en.gz", target=f"{name}.de.gz") for split, name in MULTI30K.items()}
    return Data(corpus=FilesCorpus(folder=str(folder), splits=splits), tokenizer=Tokenizer(vocabulary=8000))
