"""One rank of the fixture `two_ranks`: DIRECTORY STORE RANK."""

import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.experiment import Trial
from intelligen.data.loader import Loader
from intelligen.data.prepared import open_prepared
from intelligen.strategies.base import Step
from intelligen.strategies.build import build_strategy
from intelligen.training.fit import build_model

directory, store, rank = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{directory}/rendezvous", rank=rank, world_size=2)
for index, line in enumerate((directory / "trials.jsonl").read_text().splitlines()):
    trial = Trial.model_validate_json(line)
    prepared = open_prepared(store / "prepared" / trial.prepared)
    model = build_model(trial, prepared)
    strategy = build_strategy(
        trial,
        model=model,
        wrap=DistributedDataParallel,
        decode=prepared.tokenizer("target").decode,
        total_updates=40,
        world_size=2,
    )
    loader = Loader(prepared.split("train"), batch_tokens=300, seed=1, rank=rank, world_size=2)
    for update in (1, 2):
        strategy.train_step(loader.next_update(), Step(seed=1, update=update, total_updates=40, rank=rank))
        torch.save(strategy.state_dict()["updater"]["optimizer"]["state"], directory / f"{index}-{update}-{rank}.pt")
distributed.destroy_process_group()
