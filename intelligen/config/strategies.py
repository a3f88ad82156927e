"""Every training strategy under its name."""

from typing import TYPE_CHECKING, Annotated, get_args

from pydantic import Field

from intelligen.config.declarations import PluginStrategy, StrategySettings
from intelligen.config.mixture import Intelligen
from intelligen.config.plugins import OpenArm, name_of
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

_Own = (
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
STRATEGIES = OpenArm("intelligen.strategies", PluginStrategy, get_args(_Own))
if TYPE_CHECKING:
    Strategy = _Own | PluginStrategy
else:
    Strategy = Annotated[_Own, Field(discriminator="name"), STRATEGIES]
STRATEGY_NAMES: tuple[str, ...] = tuple(map(name_of, STRATEGIES.own))
"""Those of this package."""
ALIASES = {
    "std": "standard",
    "aux": "auxiliary",
    "rec": "recurrent",
    "gen": "generative",
    "slow": "seqgan",
    "intelli": "intelligen",
}


def declared(name: str) -> type[StrategySettings]:
    """The settings of a strategy, for what they declare.

    Raises:
        ConfigError: There is no strategy of that name.

    """
    settings = STRATEGIES.settings_named(name)
    assert issubclass(settings, StrategySettings)
    return settings
