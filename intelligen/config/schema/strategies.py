"""All training strategies by name: the union of their settings."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, get_args

from pydantic import Field

from intelligen.config.schema.declarations import PluginStrategy, StrategySettings
from intelligen.config.schema.generative_strategies import (
    Generative,
    GenerativeOffpolicy,
    GenerativePosition,
    GenerativeRisk,
    GenerativeSelfCritical,
)
from intelligen.config.schema.plugins import OpenArm, name_of
from intelligen.config.schema.single_strategies import (
    Auxiliary,
    RDrop,
    Recurrent,
    SeqGan,
    SeqGanConstant,
    SeqGanRandom,
    Standard,
    StandardMatched,
)
from intelligen.config.schema.strategy_mixture import Intelligen

_LedgerTrial = (
    Standard
    | StandardMatched
    | RDrop
    | Auxiliary
    | Recurrent
    | GenerativePosition
    | GenerativeRisk
    | GenerativeSelfCritical
    | GenerativeOffpolicy
    | Generative
    | SeqGan
    | SeqGanConstant
    | SeqGanRandom
    | Intelligen
)
STRATEGIES = OpenArm("intelligen.strategies", PluginStrategy, get_args(_LedgerTrial))
if TYPE_CHECKING:
    Strategy = _LedgerTrial | PluginStrategy
else:
    Strategy = Annotated[_LedgerTrial, Field(discriminator="name"), STRATEGIES]
STRATEGY_NAMES: tuple[str, ...] = tuple(map(name_of, STRATEGIES.own))
"""Those of this package."""
ALIASES = {
    "std": "standard",
    "aux": "auxiliary",
    "rec": "recurrent",
    "gen": "generative_position",
    "slow": "seqgan",
    "intelli": "intelligen",
}
EARLIER_NAMES = {"generative": "generative_position"}
"""Accepted in files of earlier versions, and proposed nowhere; which strategy each is by default."""
_MISSPELT = 0.9


def meant_strategy(name: str) -> str | None:
    """The strategy that an alias or a misspelt earlier name means; None for all else."""
    earlier = get_close_matches(name, EARLIER_NAMES, n=1, cutoff=_MISSPELT)
    return ALIASES.get(name) or next((EARLIER_NAMES[one] for one in earlier), None)


def declared(name: str) -> type[StrategySettings]:
    """The settings of a strategy, for what they declare.

    Raises:
        ConfigError: There is no strategy of that name.

    """
    settings = STRATEGIES.settings_named(name)
    assert issubclass(settings, StrategySettings)
    return settings
