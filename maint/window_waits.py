"""What waits for what in a window: names into ids, the page's order, and no circles."""

from collections.abc import Iterable, Sequence

from maint.errors import WindowError
from maint.window_read import Where
from maint.window_steps import PHASES, AnyStep, Covered, GiveBack, Group, Pipeline, Suite
from maint.window_yaml import Document, Place, choices


def place(step: AnyStep) -> Place:
    """Return the keys that lead to the step in its file."""
    if step.parent is None:
        return ("steps", step.id)
    return ("steps", step.parent, "parts", step.id.removeprefix(f"{step.parent}."))


def where(step: AnyStep) -> Where:
    """Return what a person calls the step, and where it stands."""
    return Where(f"step {step.id}", place(step))


class Names:
    """Every name that a step goes by: its id, its title, its part's short name, its pipeline."""

    def __init__(self, steps: Sequence[AnyStep]) -> None:
        self.by_id = {step.id: step for step in steps}
        ladder: tuple[dict[str, list[str]], ...] = ({}, {}, {})
        for step in steps:
            ladder[0].setdefault(step.title, []).append(step.id)
            if step.parent:
                ladder[1].setdefault(step.id.removeprefix(f"{step.parent}."), []).append(step.id)
            if isinstance(step, Pipeline):
                ladder[2].setdefault(step.pipeline, []).append(step.id)
        self._ladder = ladder

    def find(self, name: str) -> list[str]:
        """Return the ids that `name` may mean: one if it is clear, several if not, none if unknown."""
        if name in self.by_id:
            return [name]
        return next((each[name] for each in self._ladder if name in each), [])

    def suggest(self, name: str) -> str:
        """Return the end of a sentence about an unknown name."""
        lines = [step.id for step in self.by_id.values() if step.parent is None]
        text = choices(name, [*self.by_id, *(title for each in self._ladder for title in each)])
        near = text.partition(" (allowed: ")[0] if "did you mean" in text else ""
        return f"{near}{' (' if near else '; '}allowed: {', '.join(lines)}, or a name{')' if near else ''}"

    def one(self, name: str, document: Document, at: Place, what: str) -> str:
        """Return the one id that `name` means; raises WindowError otherwise."""
        found = self.find(name)
        if not found:
            raise document.problem(f"unknown step '{name}' in {what}{self.suggest(name)}", *at)
        if len(found) > 1:
            raise document.problem(f"'{name}' in {what} may mean {' or '.join(found)}; write which", *at)
        return found[0]

    def leaves(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return the ids with each group replaced by its parts and each covered line by what covers it."""
        found: dict[str, None] = {}
        for each in ids:
            step = self.by_id[each]
            if isinstance(step, Group):
                found.update(dict.fromkeys(step.parts))
            elif isinstance(step, Covered):
                found.update(dict.fromkeys(self.leaves(self.one_known(name) for name in step.by)))
            else:
                found[each] = None
        return tuple(found)

    def one_known(self, name: str) -> str:
        """Return the id of a name that has been checked before."""
        return self.find(name)[0]


def resolve(steps: Sequence[AnyStep], document: Document) -> list[AnyStep]:
    """Return the steps with every reference as an id and `after` filled in as the page's order says.

    Raises WindowError for an unknown or unclear name, a wait for something that comes later in the
    weekend or at a time of its own, and a circle.
    """
    names = Names(steps)
    steps = [_named(step, names, document) for step in steps]
    names = Names(steps)
    waits = {step.id: _waits(step, steps, names) for step in steps}
    _no_circle(waits, names, document)
    tickets: dict[str, list[Covered]] = {}
    for step in steps:
        if isinstance(step, Covered):
            for name in names.leaves(step.by):
                tickets.setdefault(name, []).append(step)
    return [
        step.model_copy(
            update={
                "after": names.leaves(_with_parent(step, waits)),
                "tickets": step.tickets + tuple(ticket for line in tickets.get(step.id, ()) for ticket in line.tickets),
            }
        )
        for step in steps
    ]


def _named(step: AnyStep, names: Names, document: Document) -> AnyStep:
    """Return the step with the names in after, gives_back, by and only_with replaced by ids."""
    update: dict[str, object] = {}
    at, what = place(step), f"step {step.id}"
    lists = {"after": step.after}
    if isinstance(step, GiveBack):
        lists["gives_back"] = step.gives_back
    if isinstance(step, Covered):
        lists["by"] = step.by
    for key, written in lists.items():
        if key in step.model_fields_set:
            update[key] = tuple(
                names.one(name, document, (*at, key, number), f"'{key}' of {what}")
                for number, name in enumerate(written)
            )
    if step.only_with:
        update["only_with"] = names.one(step.only_with, document, (*at, "only_with"), f"'only_with' of {what}")
    for number, name in enumerate(update.get("after", ())):  # type: ignore[arg-type,var-annotated]  # a tuple of ids
        _not_later(step, names.by_id[name], document, (*at, "after", number))
    return step.model_copy(update=update)


def _not_later(step: AnyStep, other: AnyStep, document: Document, at: Place) -> None:
    if isinstance(other, Suite):
        what = f"step {step.id} waits for {other.id}, which runs at a time of its own; name another step"
        raise document.problem(what, *at)
    if step.phase and other.phase and PHASES.index(other.phase) > PHASES.index(step.phase):
        raise document.problem(
            f"step {step.id} of {step.phase} waits for {other.id}, which comes later, in {other.phase}", *at
        )


def _waits(step: AnyStep, steps: Sequence[AnyStep], names: Names) -> tuple[str, ...]:
    """Return the ids the step waits for by itself: those written, else the line above that is done."""
    if "after" in step.model_fields_set:
        return step.after
    if step.phase is None or isinstance(step, Covered):
        return ()
    if step.parent:
        group = names.by_id[step.parent]
        if isinstance(group, Group) and group.at_once:
            return ()
    above: tuple[str, ...] = ()
    for other in steps:
        if other.id == step.id:
            return above
        beside = other.parent == step.parent and other.phase == step.phase
        if beside and other.status != "not doing" and not isinstance(other, Covered):
            above = (other.id,)
    return above


def _with_parent(step: AnyStep, waits: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    inherited = waits[step.parent] if step.parent else ()
    return tuple(dict.fromkeys((*inherited, *waits[step.id])))


def _no_circle(waits: dict[str, tuple[str, ...]], names: Names, document: Document) -> None:
    """Raise WindowError naming a whole circle of waits, if there is one."""

    def needs(name: str) -> tuple[str, ...]:
        step = names.by_id[name]
        own = _with_parent(step, waits)
        return own + step.parts if isinstance(step, Group) else own + (step.by if isinstance(step, Covered) else ())

    done: set[str] = set()
    for start in waits:
        trail: dict[str, None] = {}
        stack = [(start, iter(needs(start)))]
        trail[start] = None
        while stack:
            here, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop(here)
                done.add(here)
            elif following in trail:
                ids = list(trail)
                circle = ids[ids.index(following) :]
                raise _circle(circle, names, document)
            elif following not in done:
                trail[following] = None
                stack.append((following, iter(needs(following))))


def _circle(circle: list[str], names: Names, document: Document) -> WindowError:
    page = [name for name in names.by_id if name in circle]
    written = next((name for name in page if "after" in names.by_id[name].model_fields_set), page[0])
    turn = circle.index(written)
    around = [*circle[turn:], *circle[:turn], written]
    text = " waits for ".join(around[:2]) + "".join(f", which waits for {name}" for name in around[2:])
    return document.problem(f"the waits go in a circle: {text}", *place(names.by_id[written]), "after")
