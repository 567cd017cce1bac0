"""A window file as plain text values, each of which knows its line."""

import difflib
import itertools
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maint.errors import WindowError

type_words = {dict: "a block of 'key: value' lines", list: "a list", str: "a text", type(None): "nothing"}

_LARGEST = 1_000_000
_PLAIN = {
    "mapping values are not allowed here": "a ':' cannot stand here; put the text into quotes, or line it up",
    "sequence entries are not allowed here": "a '-' cannot stand here; line it up with the lines above",
    "expected <block end>": "the line does not line up with those above it",
}
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)

Place = tuple[str | int, ...]


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that is most like `name`, or None when none is like it."""
    by_lower = {each.lower(): each for each in allowed}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def choices(name: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean x?" and the allowed names, as the end of a sentence."""
    names = list(allowed)
    near = nearest(name, names)
    listed = ", ".join(names) or "none"
    return f"; did you mean '{near}'? (allowed: {listed})" if near else f"; allowed: {listed}"


@dataclass(frozen=True)
class Document:
    """A parsed file: its values (text, None, list, dict) and the line of each.

    shown: the path as a person knows it. lines: 1-based, by the keys that lead to the value.
    """

    shown: str
    data: dict[str, Any]
    lines: Mapping[Place, int]

    def line(self, place: Iterable[str | int]) -> int:
        """Return the line of the value at `place`, or of the nearest thing around it that exists.

        A number also counts the keys of a block, for what pydantic sees as a list.
        """
        here: Any = self.data
        known: Place = ()
        for key in place:
            if isinstance(here, dict) and isinstance(key, int):
                key = next(itertools.islice(here, key, None), key)  # noqa: PLW2901 - the same thing by its name
            if (*known, key) not in self.lines:
                break
            known = (*known, key)
            here = here[key]
        return self.lines.get(known, 1)

    def problem(self, what: str, *place: str | int) -> WindowError:
        """Return the error that says `what` is wrong at `place`."""
        return WindowError(what, where=f"{self.shown}:{self.line(place)}")


def shown(path: Path) -> str:
    """Return the path relative to the current folder where it is inside it."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


def read_document(path: Path) -> Document:
    """Return the file's values, all text as written; raises WindowError with file and line."""
    name = shown(path)
    text = _text(path, name)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(name, text, error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise WindowError("a character that cannot be typed stands here", where=f"{name}:{line}") from None
    except RecursionError:
        raise WindowError("the lists and blocks are nested too deeply", where=f"{name}:1") from None
    if node is None:
        raise WindowError("the file is empty; copy an older window and change it", where=f"{name}:1")
    lines: dict[Place, int] = {}
    data = _value(node, (), lines, name)
    if not isinstance(data, dict):
        raise WindowError(f"the file holds {type_words[type(data)]}; allowed: 'key: value' lines", where=f"{name}:1")
    return Document(name, data, lines)


def _text(path: Path, name: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WindowError(f"cannot be read: {error.strerror}", where=name) from None
    if len(raw) > _LARGEST:
        raise WindowError(f"the file is larger than {_LARGEST} bytes, too large for a window", where=f"{name}:1")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WindowError("the file is not UTF-8; save it as UTF-8", where=f"{name}:{line}") from None


def _not_yaml(name: str, text: str, error: yaml.MarkedYAMLError) -> WindowError:
    """Return YAML's complaint as a sentence, at the line where a person has to look."""
    problem, begun = error.problem or "it cannot be read", error.context_mark
    mark = error.problem_mark or begun
    if begun and "end of stream" in problem:
        mark = begun  # a quote or bracket that is never closed: its beginning, not the end of the file
    line = mark.line if mark else 0
    rows = [*text.splitlines(), ""]
    row = rows[min(line, len(rows) - 1)]
    if isinstance(error, _RefusedError):
        what = problem
    elif "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in problem:
        what = "a tab stands here; YAML allows spaces only"
    elif "another document" in problem:
        what = "a second document begins here ('---'); allowed: one window in a file"
    else:
        what = "not YAML: " + next((_PLAIN[each] for each in _PLAIN if problem.startswith(each)), problem)
        if error.context and begun and begun.line != line:
            what += f" ({error.context} in line {begun.line + 1})"
        if begun and "#" in rows[begun.line]:
            what += "; what follows a # is a comment"
    return WindowError(what, where=f"{name}:{line + 1}")


class _RefusedError(yaml.MarkedYAMLError):
    """YAML that is correct and that a window has no use for."""


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Hashable) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            # A few aliases of aliases grow to gigabytes; and who does not know them cannot edit the file.
            event = self.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise _RefusedError(
                problem=f"'*{event.anchor}' is a YAML alias; write out what it stands for",
                problem_mark=event.start_mark,
            )
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]  # stub says int
        if node is not None and node.tag not in _TAGS:
            raise _RefusedError(
                problem=f"'{node.tag}' is a YAML tag; write the plain value", problem_mark=node.start_mark
            )
        return node


def _value(node: yaml.Node, place: Place, lines: dict[Place, int], name: str) -> Any:
    """Return the node's value; scalars stay text, so that 18:00, 3.10 and no are what was written."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, number), lines, name) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        block: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise WindowError("a key must be a word", where=f"{name}:{line}")
            if key.value in block:
                first = lines[(*place, key.value)]
                what = f"the key '{key.value}' stands here a second time; the first is in line {first}"
                raise WindowError(what, where=f"{name}:{line}")
            lines[(*place, key.value)] = line
            block[key.value] = _value(item, (*place, key.value), lines, name)
        return block
    # A quoted "" is a text; only what is left out, or written as null, is nothing.
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if plain and node.tag == "tag:yaml.org,2002:null" else node.value
