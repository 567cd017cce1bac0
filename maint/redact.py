"""The one place that knows what must not be written down: secrets, sessions and card numbers."""

import logging
import re
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from urllib.parse import quote

_GONE = "[redacted]"
_SHORTEST = 4  # a shorter "secret" would blank out half of every sentence
_values: set[str] = set()
_lock = Lock()

# Digits that may be a card: 13 to 19 of them, grouped by single spaces or hyphens, not part of a longer
# word, number or id. No network's numbers start with 0 or 1, which spares most ids and epoch times.
_CARD = re.compile(r"(?<![\w.-])[2-9](?:[ -]?[0-9]){12,18}(?![\w-]|\.[0-9])")

_NAMES = r"password|passwd|pwd|client_secret|api[-_]?key|access_token|x-pan-key"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # An ASP.NET session in the path is a bearer token while the session lives.
    (re.compile(r"\((?i:S)\([A-Za-z0-9]{8,64}\)\)"), "(S(...))"),
    # Shortened in the middle, as pytest shows a long value, half of one is still there.
    (re.compile(r"\((?i:S)(?:\([A-Za-z0-9]*)?\.\.\.[A-Za-z0-9]*\)\)"), "(S(...))"),
    (re.compile(r"\((?i:S)\([A-Za-z0-9]+\.\.\."), "(S(..."),
    (re.compile(r"(?i:%28S%28)[A-Za-z0-9]{8,64}%29%29"), "(S(...))"),
    (
        re.compile(r"((?i:authorization)[\"']?\s*[:=]\s*[\"']?)(?:((?i:bearer|basic))\s+)?[^\s\"',;]+"),
        rf"\1{_GONE}",
    ),
    # A word after "basic" or "bearer" is a token only if it holds a digit or padding.
    (re.compile(r"\b((?i:bearer|basic))\s+(?=[\w.~+/-]*[0-9=])[\w.~+/-]{8,}=*"), rf"\1 {_GONE}"),
    (re.compile(r"(://[^\s/:@\"']*):[^\s/@\"']+@"), rf"\1:{_GONE}@"),
    (
        re.compile(rf"(?i)((?<![a-z0-9])(?:{_NAMES})[\"']?\s*[:=]\s*[\"']?)(?!\[redacted)[^\s\"',;&<>]+"),
        rf"\1{_GONE}",
    ),
    # These are words of our own sentences too ("replace the secret: ..."), so only an assignment counts.
    (re.compile(r"(?i)(\b(?:secret|sig|token)(?:[\"']\s*:|=)\s*[\"']?)(?!\[redacted)[^\s\"',;&<>]+"), rf"\1{_GONE}"),
    (re.compile(r"(?i)([?&](?:key|code)=)(?!\[redacted)[^\s\"',;&<>]+"), rf"\1{_GONE}"),
    (re.compile(r"\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}"), _GONE),  # Slack
    (re.compile(r"\bNRA[KA]-[A-Z0-9]{20,}|\b[0-9a-f]{36}NRAL\b"), _GONE),  # New Relic
    (re.compile(r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b"), _GONE),  # Azure DevOps since 2024
    (re.compile(r"\b(?=[a-z]*[2-7])(?=[2-7]*[a-z])[a-z2-7]{52}\b"), _GONE),  # Azure DevOps before
    (re.compile(r"\bATATT3x[\w=-]{20,}"), _GONE),  # Atlassian
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _GONE),  # a signed token
)


def register(value: str) -> None:
    """Never write this value again, in any of the forms in which it travels."""
    if len(value) < _SHORTEST:
        return
    forms = {value, quote(value, safe=""), b64encode(value.encode()).decode()}
    forms.add(b64encode(f":{value}".encode()).decode())  # HTTP Basic without a user name
    with _lock:
        _values.update(forms)


def redact(text: str) -> str:
    """Return the text without registered secrets, tokens, session ids, card numbers and passwords in URLs."""
    with _lock:
        values = sorted(_values, key=len, reverse=True)
    for value in values:
        text = text.replace(value, _GONE)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return _CARD.sub(_card, text)


def _card(match: re.Match[str]) -> str:
    digits = [int(digit) for digit in match[0] if digit.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return "[card number]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]


class RedactingFilter(logging.Filter):
    """Redacts every record that passes, its traceback included; lets all of them through."""

    def __init__(self, clean: Callable[[str], str] = redact) -> None:
        super().__init__()
        self._clean = clean
        self._format = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place."""
        record.msg, record.args = self._clean(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._format.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self._clean(record.stack_info)
        return True
