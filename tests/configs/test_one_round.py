"""One round reports all problems of a sweep, its space, its rows and its experiment, and none that follows from one."""

from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, SWEEP, refusal

from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError

folder = refusals.folder
pytestmark = pytest.mark.usefixtures("folder")

MISTAKES = {
    "a typo, a value, a setting of the baseline, a form and an option": f"""{SPACE}
  training.epochs: {{int: [1, 2]}}  # space.training.epochs
  lr: {{uniform: [0, 1]}}  # space.lr
  finetuning.batch_tokens: [1024, 2048]  # space.finetuning.batch_tokens
  finetuning.optimizer.learning_rate: {{log_uniform: [1, 0.1]}}  # space.finetuning.optimizer.learning_rate
  decoding.beem: {{choice: [1, 2]}}  # space.decoding.beem
  strategy:
    choice:
      genrative: {{}}  # space.strategy
      generative_position:
        mle_weigth: {{uniform: [0, 1]}}  # space.strategy.choice.generative_position.mle_weigth
        probability.start: {{uniform: [0, 3]}}  # space.strategy.choice.generative_position.probability.start
        probability.end: [0.1, 0.2]  # space.strategy.choice.generative_position.probability.end
resources: {{workers: 0}}  # resources.workers
search: {{sampler: tpee, seed: 017}}  # search.seed search.sampler
""",
    "YAML, an unknown key and a repeated one": f"""{SPACE}
  model.dropout: {{uniform: [.nan, 0.1]}}  # space.model.dropout.uniform[0]
  finetuning.epochs: {{int: [0, 3]}}  # space.finetuning.epochs
bugdet: {{trials: 3}}  # bugdet
name: other  # name
""",
    "a rule over the sweep beside an entry of its space": """version: 1
name: tiny
experiment: experiment.yaml
budget: {trials_per_strategy: 2}  # budget
space:
  model.dropout: {uniform: [0.0, 1.5]}  # space.model.dropout
""",
    "rows": f"""{SWEEP.replace("budget: {trials: 2}", "")}
rows:
  variants:
    control: base
    of:
      base: {{seed: 3}}  # rows.variants.of.base.seed
      wide: {{model.d_modell: 512}}  # rows.variants.of.wide.model.d_modell
      deep: {{training.epochs: 0}}  # rows.variants.of.deep.training.epochs
resources: {{attempts: 11}}  # resources.attempts
""",
}


def expected(text: str) -> list[tuple[int, str]]:
    lines = ((number, line.partition("  # ")[2]) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, key) for number, keys in lines for key in keys.split()]


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_reported_once_with_its_line_and_key(text: str) -> None:
    Path("sweep.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_sweep(Path("sweep.yaml"))
    wanted = [f"sweep.yaml:{number}: {key}" for number, key in expected(text)]
    missing = [place for place in wanted if not any(line.startswith(place) for line in caught.value.args)]
    assert (missing, len(caught.value.args)) == ([], len(wanted))


def test_mistakes_of_the_experiment_and_of_overrides_are_reported_with_those_of_the_sweep() -> None:
    Path("sweep.yaml").write_text(f"{SPACE}  model.dropout: {{uniform: [0.0, 1.5]}}\nresources: {{workers: 0}}\n")
    Path("experiment.yaml").write_text(f"{EXPERIMENT}training: {{epochs: -1}}\nmodel: {{droput: 0, dropout: 2}}\n")
    with pytest.raises(ConfigError) as caught:
        load_sweep(Path("sweep.yaml"), ["search.seed", "training.epochs=3", "search.seed=-1"])
    assert sorted(line.partition(": ")[0] for line in caught.value.args) == [
        "-o search.seed",
        "-o search.seed=-1",
        "-o training.epochs=3",
        "experiment.yaml:3",
        "experiment.yaml:4",
        "experiment.yaml:4",
        "sweep.yaml:6",
        "sweep.yaml:7",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"{SPACE}  strategy: {{chioce: [standard, generative]}}\n  strategy.alpha: {{uniform: [0.5, 1.0]}}\n",
        f"{SWEEP}stages: [trian]\nspace:\n  training.epochs: {{int: [1, 2]}}\n",
        f"{SWEEP}search: {{sampler: randon}}\nscheduler: {{name: pbt}}\nspace: {{model.dropout: {{const: 0.1}}}}\n",
        f"{SPACE}  strategy: {{choice: {{standard: }}}}\n",
        SPACE.replace("trials: 2", "trials: two") + "  model.dropout: {uniform: [0.0, 0.1]}\n",
    ],
)
def test_what_follows_from_a_mistake_is_not_reported_beside_it(text: str) -> None:
    Path("sweep.yaml").write_text(text)
    assert len(refusal(Path("sweep.yaml"))) == 1
