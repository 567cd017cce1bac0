"""What Slack refuses in a message's blocks."""

from collections.abc import Iterator
from typing import Any

from maint.rehearsal.fronts.slack.workspace import No

MAX_BLOCKS = 50
MAX_TOTAL = 13_200
KINDS = frozenset(
    {
        "actions",
        "context",
        "divider",
        "file",
        "header",
        "image",
        "markdown",
        "rich_text",
        "section",
        "table",
        "video",
    }
)


def check(blocks: Any) -> list[dict[str, Any]]:
    """Return the blocks; raises No with where the first mistakes are."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise No("invalid_blocks_format")
    wrong = list(_mistakes(blocks))
    if wrong:
        said = {"messages": [f"[ERROR] {message}" for message in wrong]}
        raise No("invalid_blocks", errors=wrong, response_metadata=said)
    if sum(map(_length, blocks)) > MAX_TOTAL:
        raise No("msg_blocks_too_long")
    return blocks


def _mistakes(blocks: list[dict[str, Any]]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for place, block in enumerate(blocks):
        where, kind = f"/blocks/{place}", block.get("type")
        if kind not in KINDS:
            yield f"unsupported type: {kind} [json-pointer:{where}/type]"
        elif kind == "header":
            yield from _text(block.get("text"), f"{where}/text", 150, plain=True)
        elif kind == "section":
            yield from _section(block, where)
        elif kind == "context":
            yield from _context(block.get("elements") or [], f"{where}/elements")


def _section(block: dict[str, Any], where: str) -> Iterator[str]:
    text, fields = block.get("text"), block.get("fields") or []
    if not text and not fields:
        yield f"missing required field: text or fields [json-pointer:{where}]"
    if text:
        yield from _text(text, f"{where}/text", 3000)
    if len(fields) > 10:
        yield f"no more than 10 items allowed [json-pointer:{where}/fields]"
    for number, one in enumerate(fields):
        yield from _text(one, f"{where}/fields/{number}", 2000)


def _context(elements: list[Any], where: str) -> Iterator[str]:
    if not 1 <= len(elements) <= 10:
        yield f"must have 1 to 10 items [json-pointer:{where}]"
    for number, one in enumerate(elements):
        if not isinstance(one, dict) or one.get("type") != "image":
            yield from _text(one, f"{where}/{number}", 3000)


def _text(text: Any, where: str, longest: int, *, plain: bool = False) -> Iterator[str]:
    allowed = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(text, dict) or text.get("type") not in allowed:
        yield f"must be a {' or '.join(allowed)} object [json-pointer:{where}]"
        return
    length = len(text.get("text") or "")
    if not 1 <= length <= longest:
        limit = f"less than {longest + 1}" if length else "more than 0"
        yield f"must be {limit} characters [json-pointer:{where}/text]"


def _length(part: Any) -> int:
    if isinstance(part, dict):
        return sum(_length(value) for key, value in part.items() if key not in ("type", "block_id", "action_id"))
    if isinstance(part, list):
        return sum(map(_length, part))
    return len(part) if isinstance(part, str) else 0
