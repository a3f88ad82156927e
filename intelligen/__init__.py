"""IntelliGEN: which training strategy wins, by how much, at what cost, and how sure are we."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intelligen.api import LoadedSweep, compare, figures, load_sweep, plan, report, reproduce, results, resume, run

__version__ = "0.2.0"
__all__ = [
    "LoadedSweep",
    "__version__",
    "compare",
    "figures",
    "load_sweep",
    "plan",
    "report",
    "reproduce",
    "results",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    """A name of the public surface is imported when it is first used: `import intelligen` alone costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("intelligen.api"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
