"""Values of a window file into typed objects, and what is wrong with them in one sentence."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from maint.errors import WindowError
from maint.window_steps import KINDS, PHASES, AnyStep, Channel, Group, Moment, Name, PhaseName, Record, Text
from maint.window_time import DAYS, Calendar
from maint.window_yaml import Document, Place, choices, nearest, type_words

RecordType = TypeVar("RecordType", bound=BaseModel)
_OURS = ("id", "parent")
_SUITES = ("smoke", "regression")


def _zone(key: str) -> str:
    if "/" not in key and key != "UTC":
        raise ValueError(f"'{key}' is not a place's time zone{_choose_zone(key)}")
    try:
        ZoneInfo(key)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"unknown zone '{key}'{_choose_zone(key)}") from None
    return key


def _choose_zone(key: str) -> str:
    """There are too many zones to list them."""
    near = nearest(key, available_timezones()) if "/" in key else None
    meant = f"; did you mean '{near}'?" if near else ""
    return f"{meant} (allowed: a name such as America/New_York, never EST or an offset)"


def _sunday(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise ValueError(f"{day} is not in this century; allowed: a date such as 2025-03-23")
    if day.weekday() != 6:
        raise ValueError(f"{day} is a {DAYS[day.weekday()]}; allowed: the date of the window's Sunday")
    return day


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    lowered = [name.lower() for name in names]  # Azure does not tell upper case from lower
    for number, name in enumerate(names):
        if lowered.index(name.lower()) < number:
            raise ValueError(f"{name} stands twice in the list")
    return names


class Approvers(Record):
    """Who lets the pipelines go on; empty is legal in a rehearsal and refused in production."""

    release_manager: str | None = None
    platform_approver: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The roles that nobody is named for."""
        return tuple(role for role in type(self).model_fields if not getattr(self, role))


class Batch(Record):
    """Servers that are taken out together.

    relation: this batch is carried out as well as `other`, or instead of it.
    """

    name: Name
    phase: PhaseName
    servers: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_each_once)]
    relation: Literal["as_well", "instead_of"] = "as_well"
    other: Text | None = None
    reading: Text | None = None
    note: Text | None = None


class Hours(Record):
    """A phase's hours and what follows it; opens, closes: aware, in the window's zone."""

    opens: Moment
    closes: Moment
    smoke: bool = False
    regression: bool = False
    unattended: bool = False
    reading: Text | None = None
    note: Text | None = None


class Head(Record):
    """What a window says once: the head of the page, and the limits."""

    title: Text
    date: Annotated[date, AfterValidator(_sunday)]
    zone: Annotated[Text, AfterValidator(_zone)]
    page: Text | None = None
    approvers: Approvers
    change_teams: tuple[Text, ...] = ()
    channels: tuple[Channel, ...]
    gateway: Name
    pool: Name
    servers: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_each_once)]
    min_healthy: Annotated[int, Field(ge=1)]
    max_out: Annotated[int, Field(ge=1)]
    batches: dict[str, Any] = Field(min_length=1)
    phases: dict[str, Any]
    steps: dict[str, Any] = Field(min_length=1)
    readings: tuple[Text, ...] = ()
    note: Text | None = None


class Draft(NamedTuple):
    """A window file that has been read: typed, and not yet checked as a whole."""

    document: Document
    head: Head
    hours: dict[str, Hours]
    batches: dict[str, Batch]
    steps: list[AnyStep]


class Where(NamedTuple):
    """A thing of the file: what a person calls it, and the keys that lead to it."""

    what: str
    place: Place


def read(
    kind: type[RecordType], raw: Any, document: Document, where: Where, calendar: Calendar | None = None
) -> RecordType:
    """Return `raw` as a `kind`; raises WindowError about the most telling mistake in it."""
    if not isinstance(raw, dict):
        what = f"{where.what} holds {type_words[type(raw)]}; allowed: a block of 'key: value' lines"
        raise document.problem(what, *where.place)
    try:
        return kind.model_validate(raw, context=calendar)
    except ValidationError as error:
        raise _explain(error, kind, document, where) from None


def read_steps(document: Document, raw: dict[str, Any], calendars: dict[str, Calendar]) -> list[AnyStep]:
    """Return every line and part, in the page's order, with `after` as written.

    calendars: of each phase, and "" for the scheduled tests.
    """
    steps: list[AnyStep] = []
    for name, fields in raw.items():
        where = Where(f"step {name}", ("steps", name))
        if "." in name:
            what = f"the name of {where.what} has a dot; allowed: letters, digits, - and _, such as C12"
            raise document.problem(what, *where.place)
        line = _read_step(document, fields, where, calendars, {"id": name})
        steps.append(line)
        if isinstance(line, Group):
            steps.extend(_read_parts(document, fields["parts"], line, where, calendars))
    return steps


def _read_parts(
    document: Document, raw: dict[str, Any], line: Group, where: Where, calendars: dict[str, Calendar]
) -> Iterator[AnyStep]:
    for short, fields in raw.items():
        inside = Where(f"step {line.id}.{short}", (*where.place, "parts", short))
        if "." in short:
            what = f"the name of {inside.what} has a second dot; allowed: letters, digits, - and _"
            raise document.problem(what, *inside.place)
        ours: dict[str, Any] = {"id": f"{line.id}.{short}", "parent": line.id, "phase": line.phase}
        if isinstance(fields, dict):
            for forbidden in ("phase", "parts"):
                if forbidden in fields:
                    what = f"a part has no '{forbidden}' of its own ({inside.what})"
                    raise document.problem(what, *inside.place, forbidden)
            if fields.get("kind") in _SUITES:
                what = f"{inside.what} cannot be a suite; a suite runs at a time of its own"
                raise document.problem(what, *inside.place, "kind")
            ours["title"] = fields.get("title", short)
            if line.status == "not doing":
                ours |= {"status": line.status, "reason": line.reason}
            if line.not_before and "not_before" not in fields:
                ours["not_before"] = line.not_before
        yield _read_step(document, fields, inside, calendars, ours)


def _read_step(
    document: Document, raw: Any, where: Where, calendars: dict[str, Calendar], ours: dict[str, Any]
) -> AnyStep:
    fields = raw if isinstance(raw, dict) else {}
    kind = fields.get("kind", "group" if "parts" in fields else None)
    if isinstance(raw, dict) and (not isinstance(kind, str) or kind not in KINDS):
        what = f"unknown kind '{kind}' in {where.what}" if kind else f"{where.what} has no 'kind'"
        raise document.problem(what + choices(str(kind), KINDS), *where.place, "kind")
    for key in _OURS:
        if key in fields:
            raise document.problem(f"unknown key '{key}' in {where.what}", *where.place, key)
    if isinstance(raw, dict) and "parent" not in ours:
        _check_phase(document, fields, where, is_suite=kind in _SUITES)
    merged = {**fields, **ours, "kind": kind} if isinstance(raw, dict) else raw
    if kind == "group":
        parts = fields.get("parts")
        if not isinstance(parts, dict) or not parts:
            what = f"{where.what} is a group without parts; allowed: parts, each with a name and a kind"
            raise document.problem(what, *where.place, "parts")
        merged["parts"] = [f"{ours['id']}.{short}" for short in parts]
    phase = merged.get("phase") if isinstance(merged, dict) else None
    calendar = calendars.get(phase if isinstance(phase, str) else "", calendars[""])
    step = read(KINDS[kind or "manual"], merged, document, where, calendar)
    if step.status == "not doing" and not step.reason:
        raise document.problem(f"{where.what} is 'not doing' and says no 'reason'; write one", *where.place, "status")
    return step


def _check_phase(document: Document, fields: dict[str, Any], where: Where, *, is_suite: bool) -> None:
    """Say first what is wrong with the phase: without it, the step's times mean nothing."""
    if is_suite and "phase" in fields:
        what = f"{where.what} runs at a time of its own and has no phase; take 'phase' out"
        raise document.problem(what, *where.place, "phase")
    if is_suite:
        return
    if "phase" not in fields:
        raise document.problem(f"{where.what} has no 'phase'; allowed: {', '.join(PHASES)}", *where.place)
    if (phase := fields["phase"]) not in PHASES:
        what = f"unknown phase {_show(phase)} in {where.what}{choices(str(phase), PHASES)}"
        raise document.problem(what, *where.place, "phase")


def _explain(error: ValidationError, kind: type[BaseModel], document: Document, where: Where) -> WindowError:
    """Choose the most telling of pydantic's complaints: a misspelt key also makes the right one missing."""
    found = error.errors()
    unknown = [each for each in found if each["type"] == "extra_forbidden"]
    wrong = [each for each in found if each["type"] not in ("extra_forbidden", "missing")]
    first = min(unknown or wrong or found, key=lambda each: document.line((*where.place, *each["loc"])))
    words = _SENTENCES.get(first["type"], _other)
    return document.problem(words(first, kind, where.what), *where.place, *first["loc"])


def _show(value: Any) -> str:
    """Return a value for a sentence: short, and never what would move a terminal's cursor."""
    if not isinstance(value, str):
        return type_words.get(type(value), str(value))
    text = value if value.isprintable() else ascii(value)[1:-1]
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"


def _name(error: ErrorDetails) -> str:
    """Return the keys that lead to the value, such as setting.path."""
    return ".".join(key for key in error["loc"] if isinstance(key, str)) or "value"


def _unknown_key(error: ErrorDetails, kind: type[BaseModel], what: str) -> str:
    model = kind
    for key in error["loc"][:-1]:
        if isinstance(key, str) and key in model.model_fields:
            model = _model_in(model.model_fields[key].annotation) or model
    allowed = [key for key in model.model_fields if key not in _OURS and (model, key) != (Batch, "name")]
    return f"unknown key '{error['loc'][-1]}' in {what}{choices(str(error['loc'][-1]), allowed)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _unknown_word(error: ErrorDetails, _kind: type[BaseModel], what: str) -> str:
    if error["input"] is None:
        return _empty(error, what)
    allowed = re.findall(r"'([^']*)'", error.get("ctx", {}).get("expected", ""))
    word, shown = _name(error).rpartition(".")[2], _show(error["input"])
    return f"unknown {word} {shown} in {what}{choices(str(error['input']), allowed)}"


def _empty(error: ErrorDetails, what: str) -> str:
    inside = error["loc"] and isinstance(error["loc"][-1], int)
    thing = f"an entry of '{_name(error)}'" if inside else f"'{_name(error)}'"
    return f"{thing} in {what} is empty (what follows a # is a comment)"


def _wants(words: str) -> Callable[[ErrorDetails, type[BaseModel], str], str]:
    def sentence(error: ErrorDetails, _kind: type[BaseModel], what: str) -> str:
        given = error["input"]
        if given is None:
            return _empty(error, what)
        return f"'{_name(error)}' in {what} is {_show(given)}; allowed: {words}"

    return sentence


def _limit(error: ErrorDetails, _kind: type[BaseModel], what: str) -> str:
    return f"'{_name(error)}' in {what} is {error['input']}; allowed: {error['ctx']['ge']} or more"


def _own(error: ErrorDetails, _kind: type[BaseModel], what: str) -> str:
    key = str(next(iter(error["loc"]), "value"))
    return f"'{key}' in {what}: {error['ctx']['error']}"


def _other(error: ErrorDetails, _kind: type[BaseModel], what: str) -> str:
    return f"'{_name(error)}' in {what}: {error['msg'][:1].lower()}{error['msg'][1:]}"


_LIST = "a list, such as [first, second]"
_SENTENCES: dict[str, Callable[[ErrorDetails, type[BaseModel], str], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": lambda error, _, what: f"{what} has no '{error['loc'][-1]}'; write it",
    "literal_error": _unknown_word,
    "value_error": _own,
    "greater_than_equal": _limit,
    "string_type": _wants("a text"),
    "string_too_short": lambda error, _, what: _empty(error, what),
    "tuple_type": _wants(_LIST),
    "too_short": lambda error, _, what: f"'{_name(error)}' in {what} is an empty list; name at least one",
    "int_parsing": _wants("a whole number"),
    "int_type": _wants("a whole number"),
    "bool_parsing": _wants("yes or no"),
    "bool_type": _wants("yes or no"),
    "dict_type": _wants("a block of 'key: value' lines"),
    "model_type": _wants("a block of 'key: value' lines"),
    "date_from_datetime_parsing": _wants("a date such as 2025-03-23"),
    "date_type": _wants("a date such as 2025-03-23"),
    "datetime_type": _wants("a local time, such as Saturday 18:00"),
    "datetime_from_date_parsing": _wants("a local time, such as Saturday 18:00"),
    "time_delta_type": _wants("a duration, such as 45 minutes"),
    "ip_v4_address": _wants("an address such as 10.0.3.20"),
}
