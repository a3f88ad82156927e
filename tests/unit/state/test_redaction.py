"""Secrets are redacted wherever they appear; what only looks like one is left."""

import pytest

from intelligen.state.redaction import redact, redact_text


@pytest.mark.parametrize(
    "text",
    [
        "HF_TOKEN=CANARY",
        'export API_KEY="CANARY with blanks"',
        "+    api-key: CANARY",
        '{"password": "CANARY", "user": "me"}',
        "password='CANARY'",
        "{token: CANARY, user: me}",
        "https://CANARY@host/x",
        "postgresql://me:CANARY@db:5432/x?sslmode=on",
    ],
)
def test_a_secret_in_text_is_blotted_out_and_stays_so(text: str) -> None:
    clean = redact_text(text)
    assert "CANARY" not in clean
    assert "[redacted]" in clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "experiment.yaml:3: data.token: unknown key; did you mean data.tokenizer?",
        "if token == EOS:",
        "def encode(tokens: list[int], token: int) -> None:",
        "batch_tokens: 4096",
        "throughput/target_tokens_per_s=12",
        "see https://host/a@b",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert redact_text(text) == text


def test_what_the_environment_keeps_secret_is_found_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "CANARY-in-hf")
    monkeypatch.setenv("HF_TOKEN_2", "CANARY-in-hf-2")
    monkeypatch.setenv("NO_SECRET_SET", "none")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/home/me/auth")
    assert redact_text("/home/me/auth/corpus") == "/home/me/auth/corpus"
    assert redact_text("401 for CANARY-in-hf-2 and CANARY-in-hf, none left") == (
        "401 for [redacted] and [redacted], none left"
    )
    assert redact({"header": ["Bearer CANARY-in-hf"]}) == {"header": ["Bearer [redacted]"]}


def test_a_long_line_is_searched_in_no_time() -> None:
    text = "token_" * 40_000 + "=x"
    assert len(redact_text(text)) <= len(text) + len("[redacted]")


def test_values_under_secret_names_are_blotted_out_save_flags_and_measures() -> None:
    given = {"auth_token": "x", "api_key": 12345678, "secrets": {"a": 1}, "password": None, "use_token": True}
    assert redact(given | {"test/token_accuracy": 0.5}) == {
        "auth_token": "[redacted]",
        "api_key": "[redacted]",
        "secrets": "[redacted]",
        "password": None,
        "use_token": True,
        "test/token_accuracy": 0.5,
    }
