"""The licence of a pre-trained model is what its directory states, and nothing is made up."""

from pathlib import Path

import pytest

from intelligen.config.model_licence import licence_in


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, None),
        ({"README.md": "# A model\nlicense: mit\n"}, None),
        ({"README.md": "---\nlicense: apache-2.0\ntags: [x]\n---\n# A model\n"}, "apache-2.0"),
        ({"README.md": "---\nlicense: [mit, cc-by-4.0]\n---\n"}, "mit, cc-by-4.0"),
        ({"README.md": "---\nlicense: other\nlicense_name: gemma\n---\n"}, "gemma"),
        ({"README.md": "---\nlicense: other\n---\n"}, "other"),
        ({"README.md": "---\nlicense: [\n---\n"}, None),
        (
            {"README.md": "---\ntags: [x]\n---\n", "LICENSE": "\n  Apache License\nVersion 2.0\n"},
            "Apache License (LICENSE)",
        ),
        ({"LICENCE.txt": "MIT License\n"}, "MIT License (LICENCE.txt)"),
        ({"LICENSE": ""}, None),
    ],
    ids=["nothing", "no front matter", "card", "several", "named", "other", "broken", "file", "text file", "empty"],
)
def test_a_licence_is_read_from_the_card_or_the_file(
    files: dict[str, str], licence: str | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert licence_in(tmp_path) == licence
