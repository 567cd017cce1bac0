"""The live systems as this program sees them: one client per vendor, made when it is first used."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from maint.clock import WindowClock
from maint.environment import Environment
from maint.lease import Lease
from maint.systems.direct import Direct
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.alert_rules import AlertRules
    from maint.systems.azure.diagnostics import Diagnostics
    from maint.systems.azure.gateway import Gateway
    from maint.systems.azure.node_images import NodeImages
    from maint.systems.azure.run_command import RunCommand
    from maint.systems.azure.session import AzureSession
    from maint.systems.azure.vms import VirtualMachines
    from maint.systems.azure_devops import AzureDevOps
    from maint.systems.cloudflare import Cloudflare
    from maint.systems.jira import Jira
    from maint.systems.newrelic import NewRelic
    from maint.systems.pingdom import Pingdom
    from maint.systems.slack import Slack

SLACK_SECONDS = 5
"""How long Slack may take for an answer: it is told of the work, which does not wait for it."""

SHORTEST_PATIENCE_SECONDS = 60.0
"""A rehearsal's hours pass in seconds; the machine still needs its own time to do the work."""


@dataclass
class Systems:
    """Every client, sharing one environment, one window clock, one fence and one way to stop.

    lease: proves before every live write that this run may still write; None for reading only.
    tell: takes one line of progress. While `undoing`, this thread's waits are not ended by `stop` and its writes are
    judged as undo.
    """

    environment: Environment
    clock: WindowClock
    lease: Lease | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda _: None
    _thread: threading.local = field(default_factory=threading.local)

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Let this thread give back, even while the run stops."""
        before, self._thread.undoing = self.is_undoing, True
        try:
            yield
        finally:
            self._thread.undoing = before

    @property
    def is_undoing(self) -> bool:
        """Say whether this thread is giving back."""
        return bool(getattr(self._thread, "undoing", False))

    def before_write(self) -> None:
        """Return when this process may write to a live system now; raises LeaseLost or says that the run stops."""
        if self.lease is None:
            raise PermissionError("a process without a lease writes nothing")
        self.lease.fence(undo=self.is_undoing)

    def patience(self, window_time: timedelta, at_least: float = SHORTEST_PATIENCE_SECONDS) -> Patience:
        """Return patience for so much of the window's time, and `at_least` so many seconds of the machine's."""
        seconds = max(window_time.total_seconds() / self.clock.speed, at_least)
        return Patience(
            deadline=time.monotonic() + seconds,
            poll=self.environment.poll_seconds,
            stop=threading.Event() if self.is_undoing else self.stop,
            tell=self.tell,
        )

    @cached_property
    def _azure(self) -> "AzureSession":
        from maint.systems.azure.session import AzureSession, static_credential  # noqa: PLC0415 - SDKs load late

        return AzureSession(
            self.environment.azure,
            static_credential("rehearsal"),
            ca=self._ca,
            before_write=self.before_write,
            poll=self.environment.poll_seconds,
        )

    @property
    def _ca(self) -> str | None:
        return str(self.environment.ca) if self.environment.ca else None

    def gateway(self, name: str) -> "Gateway":
        """Return an application gateway."""
        from maint.systems.azure.gateway import Gateway  # noqa: PLC0415 - SDKs load late

        return Gateway(self._azure, name)

    @cached_property
    def vms(self) -> "VirtualMachines":
        """The virtual machines."""
        from maint.systems.azure.vms import VirtualMachines  # noqa: PLC0415 - SDKs load late

        return VirtualMachines(self._azure)

    @cached_property
    def run_command(self) -> "RunCommand":
        """Scripts on the virtual machines."""
        from maint.systems.azure.run_command import RunCommand  # noqa: PLC0415 - SDKs load late

        return RunCommand(self._azure)

    @cached_property
    def diagnostics(self) -> "Diagnostics":
        """The virtual machines' Azure monitoring: diagnostic settings and extensions."""
        from maint.systems.azure.diagnostics import Diagnostics  # noqa: PLC0415 - SDKs load late

        return Diagnostics(self._azure)

    @cached_property
    def node_images(self) -> "NodeImages":
        """The node images of the Kubernetes clusters' pools."""
        from maint.systems.azure.node_images import NodeImages  # noqa: PLC0415 - SDKs load late

        return NodeImages(self._azure)

    def vm_id(self, vm: str) -> str:
        """Return the resource id of a VM."""
        return self._azure.resource_id("Microsoft.Compute/virtualMachines", vm)

    @cached_property
    def alert_rules(self) -> "AlertRules":
        """Azure Monitor's alert processing rules."""
        from maint.systems.azure.alert_rules import AlertRules  # noqa: PLC0415 - SDKs load late

        return AlertRules(self._azure)

    @cached_property
    def newrelic(self) -> "NewRelic":
        """New Relic."""
        from maint.systems.newrelic import NewRelic  # noqa: PLC0415 - clients load late

        e = self.environment
        return NewRelic(e.newrelic, secret=e.secret, ca=self._ca, before_write=self.before_write)

    @cached_property
    def azure_devops(self) -> "AzureDevOps":
        """Azure DevOps."""
        from maint.systems.azure_devops import AzureDevOps  # noqa: PLC0415 - clients load late

        e = self.environment
        return AzureDevOps(e.azure_devops, secret=e.secret, ca=self._ca, before_write=self.before_write)

    @cached_property
    def slack(self) -> "Slack":
        """Slack: it is told also by a process that may write nothing else."""
        from maint.systems.slack import Slack  # noqa: PLC0415 - SDKs load late

        e = self.environment
        return Slack(e.slack, secret=e.secret, ca=self._ca, before_write=lambda: None, timeout=SLACK_SECONDS)

    @cached_property
    def cloudflare(self) -> "Cloudflare":
        """Cloudflare: the site's DNS records and cache. Raises UsageProblem where the environment has none."""
        from maint.systems.cloudflare import Cloudflare  # noqa: PLC0415 - SDKs load late

        e = self.environment
        settings = e.needs(e.cloudflare, "cloudflare")
        return Cloudflare(settings, secret=e.secret, ca=self._ca, before_write=self.before_write)

    @cached_property
    def pingdom(self) -> "Pingdom":
        """Pingdom. Raises UsageProblem where the environment has none."""
        from maint.systems.pingdom import Pingdom  # noqa: PLC0415 - clients load late

        e = self.environment
        settings = e.needs(e.pingdom, "pingdom")
        return Pingdom(settings, secret=e.secret, ca=self._ca, before_write=self.before_write, now=self.clock.now)

    @cached_property
    def jira(self) -> "Jira":
        """Jira. Raises UsageProblem where the environment has none."""
        from maint.systems.jira import Jira  # noqa: PLC0415 - clients load late

        e = self.environment
        settings = e.needs(e.jira, "jira")
        return Jira(settings, secret=e.secret, ca=self._ca, before_write=self.before_write)

    @cached_property
    def direct(self) -> Direct:
        """The web servers, past the gateway."""
        e = self.environment
        addresses = e.handover.servers if e.handover else {n: s.address for n, s in e.azure.servers.items()}
        return Direct(addresses, "www.invoicecloud.com", health=e.direct.health, status=e.direct.status, ca=e.ca)
