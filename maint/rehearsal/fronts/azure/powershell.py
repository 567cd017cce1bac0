"""A little of the PowerShell language: enough to carry out an operator's script line by line.

Assignments, pipelines, if, foreach, throw, hash tables, arrays, members, comparisons and quoted strings. What it does
not know is an error, as in PowerShell: one in the text before anything runs, one in a command where it is met.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from maint.rehearsal.fronts.azure.powershell_values import (
    PowerShellError,
    collapsed,
    compared,
    member,
    text,
    unrolled,
    whole,
)

Eval = Callable[["Shell"], Any]
Cmdlet = Callable[["Shell", "Arguments"], Any]

SWITCHES = {"force", "compress", "passthru", "agerecord", "verbose", "whatif", "ascii"}
COMPARISONS = "eq|ne|gt|ge|lt|le|like|notlike|match|is|contains"
QUOTES = "'\u2018\u2019\u201a\u201b"
"""What PowerShell takes for a single quote."""


@dataclass
class Arguments:
    """What a command was given: parameters by their name in lower case, the others in order, and the pipeline's."""

    named: dict[str, Any]
    others: list[Any]
    piped: list[Any] | None

    def get(self, name: str, at: int | None = None, default: Any = None) -> Any:
        """Return a parameter by its name, or by its place where it has one."""
        if name.lower() in self.named:
            return self.named[name.lower()]
        return self.others[at] if at is not None and at < len(self.others) else default


@dataclass
class Block:
    """A script block: what is between braces."""

    statements: list[Eval]

    def run(self, shell: "Shell", item: Any = None) -> list[Any]:
        """Carry it out with $_ as the item; returns what it puts out."""
        before, shell.variables["_"] = shell.variables.get("_"), item
        try:
            return [value for statement in self.statements for value in unrolled(statement(shell))]
        finally:
            shell.variables["_"] = before


@dataclass
class Shell:
    """One PowerShell process: its commands (by name in lower case), its variables, and what it has printed."""

    cmdlets: dict[str, Cmdlet]
    variables: dict[str, Any] = field(default_factory=lambda: {"true": True, "false": False, "null": None})
    out: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def run(self, script: str) -> None:
        """Carry out a script; what it prints is in `out`, what goes wrong in `errors`."""
        try:
            for statement in Parser(script).whole():
                self.out += [text(value) for value in unrolled(statement(self))]
        except PowerShellError as error:
            self.errors.append(f"{error}\n    + FullyQualifiedErrorId : script0.ps1")

    def _known(self, name: str) -> Cmdlet:
        cmdlet = self.cmdlets.get(name.lower())
        if cmdlet is None:
            raise PowerShellError(
                f"{name} : The term '{name}' is not recognized as the name of a cmdlet, function, script file, or "
                "operable program. Check the spelling of the name, or if a path was included, verify that the "
                "path is correct and try again."
            )
        return cmdlet

    def call(self, name: str, arguments: Arguments) -> Any:
        """Call a command; its error is passed over, printed or raised as the preference says."""
        action = str(arguments.named.pop("erroraction", self.variables.get("erroractionpreference") or "Continue"))
        try:
            return self._known(name)(self, arguments)
        except PowerShellError as error:
            if action.lower() == "stop":
                raise
            if action.lower() == "continue":
                self.errors.append(str(error))
            return []


class Parser:
    """Reads a script into what carries it out; raises PowerShellError where it does not understand it."""

    def __init__(self, script: str) -> None:
        self._text, self._at = script, 0

    def whole(self) -> list[Eval]:
        """Read all of it."""
        statements = self._statements("")
        if self._at < len(self._text):
            raise self._unexpected()
        return statements

    def _unexpected(self) -> PowerShellError:
        line = self._text.count("\n", 0, self._at) + 1
        rest = self._text[self._at : self._at + 30].split("\n")[0]
        return PowerShellError(f"At script0.ps1:{line}: Unexpected token '{rest}' in expression or statement.")

    def _take(self, pattern: str, *, lines: bool = False) -> re.Match[str] | None:
        """Take what matches here, after blanks (and line ends, where they mean nothing)."""
        blank = re.compile(r"(?:[ \t\r\n;]|#[^\n]*|`\r?\n)*" if lines else r"(?:[ \t\r]|#[^\n]*|`\r?\n)*")
        start = blank.match(self._text, self._at).end()  # type: ignore[union-attr] # it matches nothing too
        match = re.compile(pattern, re.IGNORECASE).match(self._text, start)
        if match:
            self._at = match.end()
        return match

    def _need(self, pattern: str, *, lines: bool = True) -> re.Match[str]:
        match = self._take(pattern, lines=lines)
        if not match:
            self._take("", lines=lines)
            raise self._unexpected()
        return match

    def _statements(self, end: str) -> list[Eval]:
        found = []
        while not self._take(r"\Z" if not end else re.escape(end), lines=True):
            if self._take(r"\Z", lines=True):
                raise PowerShellError(f"Missing closing '{end}' in statement block or type definition.")
            self._take("", lines=True)
            found.append(self._statement())
        return found

    def _block(self) -> Block:
        self._need(r"\{")
        return Block(self._statements("}"))

    def _statement(self) -> Eval:
        if self._take(r"if\s*(?=\()"):
            return self._if()
        if self._take(r"foreach\s*\("):
            name = self._need(r"\$(\w+)\s+in\b").group(1).lower()
            items, _, block = self._expression(), self._need(r"\)"), self._block()
            return lambda shell: _foreach(shell, name, items(shell), block)
        if self._take(r"throw\b"):
            words = self._expression()
            return lambda shell: _throw(text(words(shell)))
        if match := self._take(r"\$(\w+)\s*=(?!=)"):
            name, value = match.group(1).lower(), self._pipeline()
            return lambda shell: _assign(shell, name, value(shell))
        return self._pipeline()

    def _if(self) -> Eval:
        self._need(r"\(")
        condition, _, then = self._pipeline(), self._need(r"\)"), self._block()
        otherwise: Eval = lambda _: []  # noqa: E731 - the branch that is not there
        if self._take(r"elseif\s*(?=\()", lines=True):
            otherwise = self._if()
        elif self._take(r"else\b", lines=True):
            block = self._block()
            otherwise = block.run
        return lambda shell: then.run(shell, shell.variables.get("_")) if condition(shell) else otherwise(shell)

    def _pipeline(self) -> Eval:
        elements = [self._element()]
        while self._take(r"\|(?!\|)"):
            elements.append(self._element())

        def run(shell: Shell) -> Any:
            value = elements[0](shell, None)
            for element in elements[1:]:
                value = element(shell, unrolled(value))
            return value

        return run

    def _element(self) -> Callable[[Shell, list[Any] | None], Any]:
        match = self._take(r"[A-Za-z][\w.]*(?:-[A-Za-z]\w*)?|[?%](?=\s)")
        if match:
            return self._command(match.group(0))
        value = self._expression()
        return lambda shell, _: value(shell)

    def _command(self, name: str) -> Callable[[Shell, list[Any] | None], Any]:
        named: dict[str, Eval] = {}
        others: list[Eval] = []
        while not self._take(r"(?=[|;)}\n]|\Z)"):
            if match := self._take(r"-([A-Za-z]\w*):?"):
                switch = match.group(1).lower() in SWITCHES or self._take(r"(?=[|;)}\n-]|\Z)")
                colon = match.group(0).endswith(":")
                named[match.group(1).lower()] = self._argument() if colon or not switch else lambda _: True
            else:
                others.append(self._argument())

        def run(shell: Shell, piped: list[Any] | None) -> Any:
            values = {key: value(shell) for key, value in named.items()}
            # What a command puts out is unrolled: nothing is null, one is itself.
            return collapsed(unrolled(shell.call(name, Arguments(values, [v(shell) for v in others], piped))))

        return run

    def _argument(self) -> Eval:
        if match := self._take(r"[^\s|;(){}'\"$,@\[]+"):
            word = match.group(0)
            return lambda _: word
        first = [self._postfix()]
        while self._take(","):
            first.append(self._postfix())
        return first[0] if len(first) == 1 else lambda shell: [one(shell) for one in first]

    def _expression(self) -> Eval:
        left = self._comparison()
        while match := self._take(r"-(and|or)\b"):
            left = _logical(match.group(1).lower(), left, self._comparison())
        return left

    def _comparison(self) -> Eval:
        if self._take(r"-not\b|!"):
            inner = self._comparison()
            return lambda shell: not inner(shell)
        left = self._sum()
        while match := self._take(rf"-({COMPARISONS})\b"):
            left = _compared(match.group(1).lower(), left, self._sum())
        return left

    def _sum(self) -> Eval:
        left = self._postfix()
        while self._take(r"\+"):
            left = _added(left, self._postfix())
        return left

    def _postfix(self) -> Eval:
        value = self._primary()
        while True:
            here = self._text[self._at : self._at + 1]
            if here == "[" and (index := self._take(r"\[(\d+)\]")):
                value = _indexed(value, int(index.group(1)))
                continue
            if here != "." or not (match := self._take(r"\.(\$)?(\w+)")):
                return value
            name = match.group(2)
            dynamic: Eval = lambda shell, name=name: text(shell.variables.get(name.lower()))  # type: ignore[misc] # noqa: E731 - bound now
            value = _member(value, dynamic if match.group(1) else lambda _, name=name: name)  # type: ignore[misc] # bound now

    def _primary(self) -> Eval:  # noqa: PLR0911 - one line for each kind of value
        if self._take(r"@\("):
            return _listed(self._statements(")"))
        if self._take(r"(?:\[ordered\]\s*)?@\{"):
            return self._table()
        if self._take(r"\("):
            inner, _ = self._pipeline(), self._need(r"\)")
            return lambda shell: collapsed(unrolled(inner(shell)))
        if self._take(r"(?=\{)"):
            block = self._block()
            return lambda _: block
        if match := self._take(rf"[{QUOTES}]((?:[^{QUOTES}]|[{QUOTES}]{{2}})*)[{QUOTES}]"):
            literal = re.sub(f"[{QUOTES}]([{QUOTES}])", r"\1", match.group(1))
            return lambda _: literal
        if match := self._take(r'"((?:[^"`]|`.)*)"'):
            return _interpolated(match.group(1))
        if match := self._take(r"\$(\w+)"):
            name = match.group(1).lower()
            return lambda shell: shell.variables.get(name)
        if match := self._take(r"-?\d+(?:\.\d+)?"):
            number = float(match.group(0)) if "." in match.group(0) else int(match.group(0))
            return lambda _: number
        if match := self._take(r"\[(\w+)\]"):
            return self._typed(match.group(1).lower())
        self._take("")
        raise self._unexpected()

    def _typed(self, kind: str) -> Eval:
        """Read what a type is put before; a type alone is its own name, as after -is."""
        if self._take(r"(?=[)}|;\n]|\Z)"):
            return lambda _: kind
        value = self._postfix()
        casts: dict[str, Callable[[Any], Any]] = {"string": text, "int": whole, "bool": bool}
        if kind not in casts:
            raise PowerShellError(f"Unable to find type [{kind}].")
        return lambda shell: casts[kind](value(shell))

    def _table(self) -> Eval:
        entries: list[tuple[str, Eval]] = []
        while not self._take(r"\}", lines=True):
            key = self._need(rf"[{QUOTES}\"]?(\w+)[{QUOTES}\"]?\s*=").group(1)
            entries.append((key, self._pipeline()))
        return lambda shell: {key: value(shell) for key, value in entries}


def _assign(shell: Shell, name: str, value: Any) -> list[Any]:
    shell.variables[name] = value
    return []


def _throw(words: str) -> Any:
    raise PowerShellError(words)


def _foreach(shell: Shell, name: str, items: Any, block: Block) -> list[Any]:
    found = []
    for item in unrolled(items):
        shell.variables[name] = item
        found += block.run(shell)
    return found


def _listed(statements: list[Eval]) -> Eval:
    return lambda shell: [value for statement in statements for value in unrolled(statement(shell))]


def _member(value: Eval, name: Eval) -> Eval:
    return lambda shell: member(value(shell), name(shell))


def _indexed(value: Eval, index: int) -> Eval:
    return lambda shell: collapsed(unrolled(value(shell))[index : index + 1])


def _added(left: Eval, right: Eval) -> Eval:
    def add(shell: Shell) -> Any:
        first, second = left(shell), right(shell)
        if isinstance(first, list):
            return first + unrolled(second)
        if isinstance(first, int | float) and isinstance(second, int | float):
            return first + second
        return text(first) + text(second)

    return add


def _logical(how: str, left: Eval, right: Eval) -> Eval:
    if how == "and":
        return lambda shell: bool(left(shell)) and bool(right(shell))
    return lambda shell: bool(left(shell)) or bool(right(shell))


def _compared(how: str, left: Eval, right: Eval) -> Eval:
    return lambda shell: compared(how, left(shell), right(shell))


def _interpolated(inner: str) -> Eval:
    """Return a double-quoted string: $name and $(...) stand for their values."""
    parts: list[Eval] = []
    for plain, escaped, name, nested in re.findall(r"([^$`]+)|`(.)|\$(\w+)|\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", inner):
        if name:
            parts.append(lambda shell, name=name: text(shell.variables.get(name.lower())))  # type: ignore[misc] # bound now
        elif nested:
            block = Block(Parser(nested).whole())
            parts.append(lambda shell, block=block: text(collapsed(block.run(shell, shell.variables.get("_")))))  # type: ignore[misc] # bound now
        else:
            word = {"n": "\n", "t": "\t"}.get(escaped, escaped) or plain
            parts.append(lambda _, word=word: word)  # type: ignore[misc] # bound now
    return lambda shell: "".join(part(shell) for part in parts)
