"""What follows the search: seeds that it has not seen, and searches whose scores have names of their own."""

from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, VARIED, assert_reported

from intelligen.config.load import load_sweep
from intelligen.config.schema.decoding import Beam, Decoding, Greedy, Mbr, Sample
from intelligen.config.schema.stages_after_search import BeamSize, Confirmation, Scoring, scored_as
from intelligen.errors import DataError

folder = refusals.folder

FILES = """
data:
  corpus:
    name: files
    folder: .
    splits:
      train: {source: a, target: b}
      valid: {source: a, target: b}
      test: {source: a, target: b}
      news-greedy: {source: a, target: b}
"""
LABELS = """
data:
  max_tokens: 62
  corpus:
    name: files
    folder: .
    splits: {train: {file: a.jsonl}, valid: {file: b.jsonl}, test: {file: c.jsonl}}
model: {name: decoder_only, max_positions: 64}
task: {name: classification}
"""


def test_no_seed_of_a_confirmation_is_the_search_s() -> None:
    assert Confirmation(seeds=3).after(1) == (2, 3, 4)


def test_without_confirm_there_are_no_other_seeds(folder: Path) -> None:
    Path("sweep.yaml").write_text(VARIED)
    sweep, _ = load_sweep(Path("sweep.yaml"))
    assert (sweep.confirmation_seeds(1), sweep.total_repetitions()) == ((), 0)


def test_every_strategy_is_repeated_with_every_seed(folder: Path) -> None:
    strategies = "  strategy: {choice: [standard, generative, seqgan]}\nconfirm: {seeds: 4}\n"
    Path("sweep.yaml").write_text(VARIED + strategies)
    assert load_sweep(Path("sweep.yaml"))[0].total_repetitions() == 12


def test_a_range_of_seeds_has_a_least_and_a_most(folder: Path) -> None:
    asked = "{seeds: {at_least: 3, at_most: 10}, until: resolved, difference: 0.5}"
    Path("sweep.yaml").write_text(f"{VARIED}  strategy: {{choice: [standard, generative]}}\nconfirm: {asked}\n")
    sweep, _ = load_sweep(Path("sweep.yaml"))
    assert (sweep.least_repetitions(), sweep.total_repetitions()) == (6, 20)
    assert sweep.confirm is not None
    assert (sweep.confirm.after(1), sweep.confirm.counts_as_none) == (tuple(range(2, 12)), 0.5)
    again, _ = load_sweep(Path("sweep.yaml"), ["confirm.seeds.at_most=50"])
    assert again.total_repetitions() == 100


def test_the_trial_s_own_search_comes_first_and_none_comes_twice() -> None:
    decoding = Decoding(validation=Sample(top_k=3), test=Beam(size=7))
    assert Scoring().of(decoding) == (Beam(size=7),)
    searches = Scoring(searches=("greedy", "sample", "beam", "mbr")).of(decoding)
    assert searches == (Beam(size=7), Greedy(), Sample(top_k=3), Mbr())
    names = [scored_as("test", search, decoding) for search in searches]
    assert names == ["test", "test-greedy", "test-sample", "test-mbr"]
    assert Scoring(searches=("greedy", "beam")).of(Decoding(test=Greedy())) == (Greedy(), Beam())


def test_scores_of_a_search_and_of_a_split_never_share_a_name(folder: Path) -> None:
    Path("experiment.yaml").write_text(EXPERIMENT + FILES)
    text = f"{VARIED}test:\n  searches:\n    - beam\n    - greedy  #!\n"
    assert_reported(Path("sweep.yaml"), text, "test.searches[1]", "split news-greedy")


def test_sizes_of_the_beam_have_the_experiment_s_penalty_and_names_of_their_own(folder: Path) -> None:
    decoding = Decoding(test=Beam(size=4, length_penalty=1.0))
    searches = Scoring(searches=tuple(BeamSize(beam=size) for size in (1, 4, 16))).of(decoding)
    assert searches == tuple(Beam(size=size, length_penalty=1.0) for size in (4, 1, 16))
    names = [scored_as("test", search, decoding) for search in searches]
    assert names == ["test", "test-beam_size1", "test-beam_size16"]
    by_greedy = Decoding(test=Greedy())
    searches = Scoring(searches=(BeamSize(beam=4), BeamSize(beam=1), "beam")).of(by_greedy)
    assert searches == (Greedy(), Beam(), Beam(size=1))
    assert [scored_as("test", search, by_greedy) for search in searches] == ["test", "test-beam", "test-beam_size1"]
    Path("experiment.yaml").write_text(EXPERIMENT + FILES.replace("news-greedy", "news-beam_size16"))
    text = f"{VARIED}test:\n  searches:\n    - {{beam: 16}}  #!\n"
    assert_reported(Path("sweep.yaml"), text, "test.searches[0]", "split news-beam_size16")


def test_a_learned_metric_lies_beside_the_sweep_file_and_reads_texts(folder: Path) -> None:
    named = f"{VARIED}test:\n  learned_metric: {{path: metrics/mine, files: abc}}  #!\n"
    Path("sweeps").mkdir()
    Path("sweeps/sweep.yaml").write_text(named.replace("experiment.yaml", "../experiment.yaml"))
    found = load_sweep(Path("sweeps/sweep.yaml"))[0].test.learned_metric
    assert found is not None
    assert found.path == str(folder / "sweeps" / "metrics" / "mine")
    Path("experiment.yaml").write_text(f"{EXPERIMENT}{LABELS}")
    why = "a learned metric reads texts, and models of the task classification write none; remove it"
    assert_reported(Path("sweep.yaml"), named, "test.learned_metric", why)


def test_a_learned_metric_that_is_not_there_is_one_line(folder: Path) -> None:
    Path("sweep.yaml").write_text(f"{VARIED}test: {{learned_metric: {{path: none}}}}\n")
    with pytest.raises(DataError) as caught:
        load_sweep(Path("sweep.yaml"))
    assert caught.value.exit_code == 65
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"sweep.yaml:7: test.learned_metric.path: {folder / 'none'}: no such directory")
