"""The fixtures that phases and suites ask for: nouns, one maintenance action each, and nothing else.

A fixture that takes something away gives it back in its own teardown, in a `finally`: pytest runs that after a failure
and after Ctrl-C too. If the process dies, the journal and the guardian do it instead.
"""

from collections.abc import Callable, Iterator

import pytest

from maint.actions.drain import Drain
from maint.actions.mute import MuteAzure, MuteNewRelic
from maint.actions.patch import Patch
from maint.actions.pipeline import RunStages
from maint.environment import Environment
from maint.errors import UsageProblem
from maint.journal import HoldRecord
from maint.plugin.state import CONTEXT, run_of
from maint.plugin.steps import EVIDENCE
from maint.rollout import Job, Rollout
from maint.run import Run
from maint.window_steps import Drain as DrainStep
from maint.window_steps import Mute as MuteStep
from maint.window_steps import Patch as PatchStep
from maint.window_steps import Pipeline as PipelineStep


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """Where the systems are."""
    if CONTEXT not in pytestconfig.stash:
        raise UsageProblem("no phase or suite was asked for", next="pytest -m saturday-pre, or pytest smoke")
    return pytestconfig.stash[CONTEXT].environment


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """The run of the phase that was asked for."""
    found = run_of(pytestconfig)
    if found is None:
        raise UsageProblem("no phase was asked for", next="pytest -m saturday-pre")
    return found


@pytest.fixture
def evidence(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """A function that records in words what a step's test has seen."""
    return lambda words: record_property(EVIDENCE, words)


@pytest.fixture(scope="class")
def batch(run: Run) -> tuple[str, ...]:
    """The servers that this phase takes out together."""
    step = run.step_of(DrainStep)
    return tuple(run.window.batches[step.batch].servers)


@pytest.fixture(scope="class")
def muted_alerts(run: Run, batch: tuple[str, ...]) -> Iterator[list[HoldRecord]]:
    """The batch's alerts, off in New Relic and in Azure; on again when the class is over."""
    step = run.step_of(MuteStep)
    now = run.context.clock.now()
    name, starts = f"maint {run.window.name} {step.id}", now.isoformat()
    ends = max(run.window.ends(step), now + step.grace)
    scopes = tuple(run.systems.vm_id(run.vm(server)) for server in batch)
    actions = [
        MuteNewRelic(name, batch, starts, ends.isoformat(), str(run.window.zone)),
        MuteAzure(name, scopes, batch, starts, ends.isoformat()),
    ]
    try:
        yield run.take(step, actions, until_time=ends)
    finally:
        run.give_back_step(step)


@pytest.fixture(scope="class")
def drained_servers(run: Run, batch: tuple[str, ...], muted_alerts: list[HoldRecord]) -> Iterator[list[HoldRecord]]:
    """The batch, out of the pool and idle; back in it, server by server as each is ready, when the class is over."""
    assert muted_alerts
    step, window = run.step_of(DrainStep), run.window
    fleet = tuple(run.address(server) for server in window.servers)
    limits = (fleet, window.min_healthy, window.max_out)
    actions = [
        Drain(window.gateway, window.pool, server, run.vm(server), run.address(server), *limits)
        for server in run.waiting_for(run.step_of(PatchStep), batch)
    ]
    try:
        if actions:
            run.expect_time_for([step, run.step_of(PatchStep)])
        yield run.take(step, actions, until_time=run.phase.closes)
    finally:
        run.give_back_step(step)


@pytest.fixture(scope="class")
def patching(run: Run, batch: tuple[str, ...], drained_servers: list[HoldRecord]) -> Iterator[Rollout]:
    """The updates of the batch's servers, all at once, on servers that are out of the pool.

    Torn down before the servers go back: by then no update is still being started.
    """
    assert drained_servers is not None
    step, window, out = run.step_of(PatchStep), run.window, run.released()
    rollout = run.rollout()
    jobs = []
    for server in batch:
        place = (run.vm(server), window.gateway, window.pool, run.address(server))
        action = Patch(*place, step.classifications, step.reboot, run.phase.closes)
        if server not in out:
            jobs.append(Job(f"{step.id}/{server}", f"updates on {server}", action))
    try:
        rollout.start(jobs)
        yield rollout
    finally:
        rollout.join()


@pytest.fixture(scope="module")
def rollout(run: Run) -> Iterator[Rollout]:
    """The one-way steps that wait for no server, each on a thread of its own."""
    rollout = run.rollout()
    try:
        yield rollout
    finally:
        rollout.join()


@pytest.fixture(scope="module")
def preparation(run: Run, rollout: Rollout) -> str:
    """The stage of the Preparation pipeline, started at its time whatever becomes of the servers."""
    step = run.step_of(PipelineStep)
    rollout.start(
        [Job(step.id, step.title, RunStages(step.pipeline, step.stages, step.version), not_before=step.not_before)]
    )
    return step.id
