"""Every training strategy under its name."""

from typing import Annotated, get_args

from pydantic import Field

from intelligen.config.mixture import Intelligen
from intelligen.config.single_strategies import (
    Auxiliary,
    Generative,
    Recurrent,
    SeqGan,
    SeqGanConstant,
    SeqGanRandom,
    Standard,
    StandardMatched,
)

_Strategies = (
    Standard
    | StandardMatched
    | Auxiliary
    | Recurrent
    | Generative
    | SeqGan
    | SeqGanConstant
    | SeqGanRandom
    | Intelligen
)
Strategy = Annotated[_Strategies, Field(discriminator="name")]
STRATEGY_NAMES: tuple[str, ...] = tuple(option.model_fields["name"].default for option in get_args(_Strategies))
ALIASES = {
    "std": "standard",
    "aux": "auxiliary",
    "rec": "recurrent",
    "gen": "generative",
    "slow": "seqgan",
    "intelli": "intelligen",
}
