"""One rank of the fixture `two_ranks`: DIRECTORY STORE RANK."""

import sys
from functools import partial
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.experiment import Trial
from intelligen.data.batches import Batch
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.decoding.generate import generate
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.interfaces import Generator
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task


def rollout_steps(model: Generator, batch: Batch, trial: Trial) -> int:
    """Positions of a greedy rollout until its last row is done."""
    bounds_B = LengthBound.of(trial.decoding).of_sources(batch.source_BS)
    return generate(model, batch.source_BS, Greedy(), max_lengths_B=bounds_B).tokens_NT.size(1)


directory, store, rank = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{directory}/rendezvous", rank=rank, world_size=2)
for index, line in enumerate((directory / "trials.jsonl").read_text().splitlines()):
    trial = Trial.model_validate_json(line)
    prepared = open_prepared(store / "prepared" / trial.prepared)
    task = build_task(trial.task)
    model = task.build_model(trial.model, prepared, seed=trial.seed)
    strategy = build_strategy(
        trial,
        model=model,
        wrap=DistributedDataParallel,
        decode=partial(task.written, prepared),
        loss=partial(task.loss, label_smoothing=trial.training.label_smoothing),
        total_updates=40,
        world_size=2,
    )
    loader = Loader(task.examples(prepared.split("train"), prepared), batch_tokens=300, seed=3, rank=rank, world_size=2)
    for update in (1, 2):
        micro_batches = loader.next_update()
        if index == 0 and trial.task.writes_text:
            (directory / f"rollout-{update}-{rank}").write_text(str(rollout_steps(model, micro_batches[0], trial)))
        strategy.train_step(micro_batches, UpdateContext(seed=1, update=update, total_updates=40, rank=rank))
        torch.save(strategy.state_dict()["updater"]["optimizer"]["state"], directory / f"{index}-{update}-{rank}.pt")
distributed.destroy_process_group()
