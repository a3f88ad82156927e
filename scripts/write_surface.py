"""Writes the golden surface from the commands and the package themselves: users lose what is lost from it.

    python scripts/write_surface.py

writes tests/golden/surface.txt: every verb with its arguments and options, and every public name of the package.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

import intelligen
from intelligen.cli.verb_sections import VERBS

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "surface.txt"


def surface() -> str:
    """Verbs, arguments, options and their defaults; then the names that `from intelligen import …` knows."""
    lines = ["# Written by scripts/write_surface.py", ""]
    for verb in sorted(VERBS, key=lambda verb: verb.name):
        parameters = verb.load().params
        lines += [f"intelligen {verb.name}", *(f"  {_parameter(parameter)}" for parameter in parameters), ""]
    lines += ["from intelligen import", *(f"  {name}" for name in _names())]
    return "\n".join(lines) + "\n"


def _parameter(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option):
        return f"{parameter.human_readable_name} {'required' if parameter.required else 'optional'}"
    words = [", ".join([*parameter.opts, *parameter.secondary_opts])]
    if not parameter.is_flag:
        words.append(" ".join(_type(parameter.type)))
    if parameter.multiple:
        words.append("several")
    if isinstance(parameter.default, str | int | float):
        words.append(f"default {parameter.default}")
    if parameter.envvar:
        words.append(f"environment {parameter.envvar}")
    return "; ".join(words)


def _type(kind: click.ParamType) -> Iterator[str]:
    yield kind.name
    if isinstance(kind, click.Choice):
        yield from map(str, kind.choices)


def _names() -> Iterator[str]:
    for name in sorted(intelligen.__all__):
        found = getattr(intelligen, name)
        if not callable(found):
            yield name
            continue
        signature = inspect.signature(found)
        plain = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
        bare = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
        yield f"{name}{bare}"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(surface(), encoding="utf-8")
