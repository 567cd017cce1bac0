"""What must not be written down is not, and everything else is."""

import base64
import io
import logging

import pytest

from maint.redact import RedactingFilter, redact, register

PAT = "k5w2" + "abcdefghijklmnopqrstuvwxyz234567"[:24] * 2


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/portal/(S(abcdefghij0123456789abcd))/2/Site.aspx", "/portal/(S(...))/2/Site.aspx"),
        ("Authorization: Bearer eyJhbGciOi.abc123.xyz", "Authorization: [redacted]"),
        ('{"Authorization": "Basic OnBhdA=="}', '{"Authorization": "[redacted]"}'),
        ("sent bearer abc123def456 today", "sent bearer [redacted] today"),
        ("basic authentication is off", "basic authentication is off"),
        ("https://user:hunter2@host/x", "https://user:[redacted]@host/x"),
        ("postgresql://maint:p%40ss@db:5432/journal", "postgresql://maint:[redacted]@db:5432/journal"),
        ("password=hunter2 and more", "password=[redacted] and more"),
        ('{"api_key": "abc"}', '{"api_key": "[redacted]"}'),
        ('{"token": "abc", "n": 1}', '{"token": "[redacted]", "n": 1}'),
        ("replace the secret: it was refused", "replace the secret: it was refused"),
        ("the token: somebody has it", "the token: somebody has it"),
        ("/blob?sv=1&sig=a%2Fb&se=2", "/blob?sv=1&sig=[redacted]&se=2"),
        ("/x?token=abc&y=1", "/x?token=[redacted]&y=1"),
        ("xoxb-1234567890-abcdef", "[redacted]"),
        ("NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1", "[redacted]"),
        (PAT, "[redacted]"),
        ("4111111111111111", "[card number]"),
        ("card 4111 1111 1111 1111, please", "card [card number], please"),
        ("card 5500-0000-0000-0004.", "card [card number]."),
        ("4111111111111112", "4111111111111112"),
        ("1742212800000", "1742212800000"),
        ("ts 1742212800.123456", "ts 1742212800.123456"),
        ("5c2f4d1e-0000-4000-8000-00000000a1b2", "5c2f4d1e-0000-4000-8000-00000000a1b2"),
        ("run 48207 on 2025-03-22T18:00:00-04:00 by 10.0.1.11", "run 48207 on 2025-03-22T18:00:00-04:00 by 10.0.1.11"),
        ('W/"9d9f3c2a-5b6e-4f7d-8a9b-0c1d2e3f4a5b"', 'W/"9d9f3c2a-5b6e-4f7d-8a9b-0c1d2e3f4a5b"'),
    ],
)
def test_patterns(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean


def test_a_registered_value_is_gone_in_every_form_it_travels_in() -> None:
    register("s3cr3t/value+x")
    encoded = base64.b64encode(b":s3cr3t/value+x").decode()
    text = redact(f"a s3cr3t/value+x b s3cr3t%2Fvalue%2Bx c {encoded}")
    assert text == "a [redacted] b [redacted] c [redacted]"


def test_a_value_too_short_to_be_a_secret_does_not_blank_everything() -> None:
    register("a")
    register("")
    assert redact("a man, a plan") == "a man, a plan"


def test_the_log_is_clean_and_so_are_its_tracebacks() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(RedactingFilter())
    log = logging.getLogger("test_redact")
    log.addHandler(handler)
    try:
        try:
            int("password=hunter2")
        except ValueError:
            log.exception("card %s", "4111111111111111", stack_info=True)
    finally:
        log.removeHandler(handler)
    text = out.getvalue()
    assert text.startswith("card [card number]\n")
    assert "ValueError: invalid literal for int() with base 10: 'password=[redacted]'" in text
    assert "hunter2" not in text
