"""What must be true of a window as a whole: capacity, names that exist, hours, paths."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from maint.errors import WindowError
from maint.window_read import Batch, Draft, Head, Hours
from maint.window_steps import (
    PHASES,
    AnyStep,
    Diagnostics,
    Dns,
    Drain,
    GiveBack,
    Mute,
    Notify,
    Patch,
    Pingdom,
    Pipeline,
    RunCommand,
    Script,
    Suite,
)
from maint.window_waits import place
from maint.window_yaml import Document, choices


def check(draft: Draft, root: Path) -> None:
    """Raise WindowError for the first thing in a window that does not fit the rest of it.

    root: the project folder, which the paths in a window may not leave.
    """
    check_batches(draft)
    by_id = {step.id: step for step in draft.steps}
    for step in draft.steps:
        _check_names(step, draft)
        _check_batch(step, draft)
        _check_times(step, draft)
        _check_together(step, by_id, draft.document)
        if isinstance(step, Pipeline) and step.run == "same" and _doing(step):
            _check_same_run(step, draft)
        if isinstance(step, Patch) and _doing(step):
            _check_drained(step, by_id, draft.document)
        if isinstance(step, Script) and (problem := path_problem(step.path, root)):
            raise draft.document.problem(f"'path' of step {step.id} {problem}", *place(step), "path")


def check_hours(hours: Mapping[str, Hours], document: Document) -> None:
    """Raise WindowError for a phase that ends before it begins."""
    for name, each in hours.items():
        if each.closes.timestamp() <= each.opens.timestamp():
            what = f"phase {name} closes {_say(each.closes)}, not after it opens ({_say(each.opens)})"
            raise document.problem(what, "phases", name, "closes")


def _say(moment: datetime) -> str:
    return f"{moment:%A %Y-%m-%d %H:%M}"


def check_batches(draft: Draft) -> None:
    """Raise WindowError when batches take out too many servers, unknown ones, or one of them twice."""
    servers, document = draft.head.servers, draft.document
    for name, batch in draft.batches.items():
        for number, server in enumerate(batch.servers):
            if server not in servers:
                what = f"unknown server '{server}' in batch {name}{choices(server, servers)}"
                raise document.problem(what, "batches", name, "servers", number)
        others = [each for each in draft.batches if each != name]
        if batch.relation == "instead_of" and batch.other is None:
            what = f"batch {name} is instead_of another and does not say which; write other: and its name"
            raise document.problem(what, "batches", name, "relation")
        if batch.other is not None and batch.other not in others:
            what = f"unknown batch '{batch.other}' as 'other' of batch {name}{choices(batch.other, others)}"
            raise document.problem(what, "batches", name, "other")
        _check_capacity(draft, [batch])
    for first, second in itertools.combinations(draft.batches.values(), 2):
        if not _alternatives(first, second):
            _check_pair(draft, first, second)


def _alternatives(first: Batch, second: Batch) -> bool:
    return (first.relation == "instead_of" and first.other == second.name) or (
        second.relation == "instead_of" and second.other == first.name
    )


def _check_pair(draft: Draft, first: Batch, second: Batch) -> None:
    """Both are carried out: no server in both, and the limits hold for both where their hours meet."""
    for number, server in enumerate(second.servers):
        if server in first.servers:
            what = (
                f"{server} is in batch {first.name} and in batch {second.name}, and both are carried out; "
                f"take it out of one, or make one batch instead_of the other"
            )
            raise draft.document.problem(what, "batches", second.name, "servers", number)
    one, two = draft.hours[first.phase], draft.hours[second.phase]
    if one.opens < two.closes and two.opens < one.closes:
        _check_capacity(draft, [first, second])


def _check_capacity(draft: Draft, together: Sequence[Batch]) -> None:
    """The limits of the window, for batches that are out at the same time."""
    total, out = len(draft.head.servers), sum(len(batch.servers) for batch in together)
    left, most = total - out, total - draft.head.min_healthy
    at = ("batches", together[-1].name, "servers")
    if len(together) == 1:
        who, leaves = f"batch {together[0].name} takes out {out} of {total} servers", "leaves"
    else:
        names = " and ".join(batch.name for batch in together)
        who, leaves = f"batches {names}, whose hours overlap, take out {out} of {total} servers", "leave"
    if left < draft.head.min_healthy:
        what = f"{who} and {leaves} {left} in the pool; allowed: {draft.head.min_healthy} or more must stay"
        raise draft.document.problem(f"{what} (min_healthy), so {max(most, 0)} at most may be out", *at)
    if out > draft.head.max_out:
        raise draft.document.problem(f"{who}; allowed: {draft.head.max_out} at most (max_out)", *at)


def _check_names(step: AnyStep, draft: Draft) -> None:
    """Every team, channel, server and batch that a step names is one of the window's."""
    head = draft.head
    named: list[tuple[str, str, Sequence[str], Iterable[str]]] = [
        ("team", "change team", [step.team] if step.team else [], head.change_teams)
    ]
    if isinstance(step, Notify):
        named.append(("channels", "channel", step.channels, head.channels))
    if isinstance(step, RunCommand | Diagnostics):
        named.append(("servers", "server", step.servers, head.servers))
    if isinstance(step, Diagnostics):
        named.append(("canary", "server", [step.canary], step.servers or head.servers))
    if isinstance(step, Drain | Patch | Mute):
        named.append(("batch", "batch", [step.batch] if step.batch else [], draft.batches))
    for key, word, names, allowed in named:
        for number, name in enumerate(names):
            if name not in allowed:
                what = f"unknown {word} '{name}' in step {step.id}{choices(name, allowed)}"
                raise draft.document.problem(what, *place(step), key, number)


def _check_batch(step: AnyStep, draft: Draft) -> None:
    if isinstance(step, Drain | Patch | Mute) and step.batch:
        phase = draft.batches[step.batch].phase
        if phase != step.phase:
            what = f"step {step.id} of {step.phase} uses batch {step.batch}, which belongs to {phase}"
            raise draft.document.problem(what, *place(step), "batch")
    if isinstance(step, Mute) and bool(step.batch) == bool(step.policies):
        what = f"step {step.id} must name what to mute: either a batch or policies"
        raise draft.document.problem(what, *place(step), "policies" if step.policies else "kind")


def _check_times(step: AnyStep, draft: Draft) -> None:
    document, at = draft.document, place(step)
    if isinstance(step, Suite) and step.by and step.by <= step.at:
        what = f"'by' of step {step.id} is {_say(step.by)}, not after 'at' ({_say(step.at)})"
        raise document.problem(what, *at, "by")
    if step.phase is None:
        return
    own = draft.hours[step.phase]
    for key, moment in (("not_before", step.not_before), ("start_by", step.start_by)):
        if moment is not None and not own.opens <= moment <= own.closes:
            what = (
                f"'{key}' of step {step.id} is {_say(moment)}, outside the hours of {step.phase}; "
                f"allowed: {_say(own.opens)} to {_say(own.closes)}"
            )
            raise document.problem(what, *at, key)
    until = step.until if isinstance(step, Mute | Pingdom | Dns) else None
    if until and PHASES.index(until) < PHASES.index(step.phase):
        what = f"'until' of step {step.id} is {until}, which comes before its own phase, {step.phase}"
        raise document.problem(what, *at, "until")


def _check_together(step: AnyStep, by_id: Mapping[str, AnyStep], document: Document) -> None:
    """What is taken is given back, and what is not taken is not given back."""
    doing = _doing(step)
    too = "which is 'not doing'; make it 'not doing' too"
    if step.only_with and doing and not _doing(by_id[step.only_with]):
        what = f"step {step.id} is done only with {step.only_with}, {too}"
        raise document.problem(what, *place(step), "status")
    if isinstance(step, GiveBack):
        for number, name in enumerate(step.gives_back):
            other = by_id[name]
            if not isinstance(other, Mute | Pingdom | Dns):
                what = f"step {step.id} gives back {name}, which is a {other.kind}; allowed: mute, pingdom, dns"
                raise document.problem(what, *place(step), "gives_back", number)
            if not doing and _doing(other):
                what = f"step {step.id} is 'not doing', so nothing gives {name} back; make both the same"
                raise document.problem(what, *place(step), "status")
        if doing and not any(_doing(by_id[name]) for name in step.gives_back):
            listed = ", ".join(step.gives_back)
            what = f"step {step.id} gives back {listed}, {too}"
            raise document.problem(what, *place(step), "status")


def _check_drained(step: Patch, by_id: Mapping[str, AnyStep], document: Document) -> None:
    """A server is never patched while payers still reach it: the patch waits for its batch's drain."""
    seen: set[str] = set()
    waiting = [*step.after]
    while waiting:
        name = waiting.pop()
        other = by_id[name]
        if isinstance(other, Drain) and other.batch == step.batch and _doing(other):
            return
        if name not in seen:
            seen.add(name)
            waiting += other.after
    what = f"step {step.id} patches batch {step.batch} without waiting for a drain of it; allowed: after: and"
    raise document.problem(f"{what} the step of kind drain", *place(step), "after")


def _doing(step: AnyStep) -> bool:
    return step.status != "not doing"


def _check_same_run(step: Pipeline, draft: Draft) -> None:
    for each in itertools.takewhile(lambda each: each.id != step.id, draft.steps):
        if isinstance(each, Pipeline) and (each.pipeline, each.run) == (step.pipeline, "new") and _doing(each):
            return
    what = f"step {step.id} goes on with the same run, but no step above begins a run of {step.pipeline}"
    raise draft.document.problem(f"{what}; allowed: run: new", *place(step), "run")


def path_problem(text: str, root: Path) -> str | None:
    """Return what is wrong with a path of the project folder `root`, or None."""
    if "\0" in text or "\\" in text or Path(text).is_absolute() or text.startswith("~"):
        return f"is '{text}'; allowed: a path in the project folder, such as scripts/upgrade.sh"
    whole = (root / text).resolve()
    if not whole.is_relative_to(root.resolve()):
        return f"is '{text}', which leaves the project folder; allowed: a path inside it"
    if not whole.is_file():
        return f"is '{text}', and there is no such file in the project folder"
    return None


def check_file_name(path: Path, head: Head, document: Document) -> WindowError | None:
    """Return the error of a file whose name begins with another date than the window's, else None."""
    day = path.stem[:10]
    dated = len(day) == 10 and day[4] == day[7] == "-" and day.replace("-", "").isdigit()
    if dated and day != head.date.isoformat():
        what = f"'date' is {head.date}, but the file's name says {day}; make them the same"
        return document.problem(what, "date")
    return None
