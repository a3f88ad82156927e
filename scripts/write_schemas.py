"""Writes the JSON schemas in schemas/ from the settings themselves, for editors and other tools.

python scripts/write_schemas.py
"""

from pathlib import Path

from intelligen.config.json_schema import FILES, schema_text

FOLDER = Path(__file__).parents[1] / "schemas"

if __name__ == "__main__":
    for kind in FILES:
        (FOLDER / f"{kind}.schema.json").write_text(schema_text(kind), encoding="utf-8")
