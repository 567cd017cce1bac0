"""Virtual machines: how they are, which patches they miss, and installing them.

Azure answers 200 for a patch run that failed: every result is judged by what it says, not by its status code.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.systems.azure.documents import plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession

CLASSIFICATIONS = (
    "Critical",
    "Security",
    "UpdateRollUp",
    "FeaturePack",
    "ServicePack",
    "Definition",
    "Tools",
    "Updates",
)
_LOOKS = 5  # how often to look for a run whose start was not answered
_NO_TOKEN = json.dumps({"previous": None, "poller": None})
_REBOOTED_WELL = frozenset({"", "NotNeeded", "Completed"})


@dataclass(frozen=True)
class Patch:
    """One patch as Azure names it; kb without the letters KB."""

    name: str
    kb: str
    classification: str


@dataclass(frozen=True)
class Assessment:
    """What a server misses, counted by Azure just now."""

    critical_and_security: int
    other: int
    reboot_pending: bool
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Installation:
    """One patch run and what became of it. ok: everything asked for is in; words: the same for a person."""

    id: str
    status: str
    installed: int = 0
    failed: int = 0
    pending: int = 0
    not_selected: int = 0
    kbs: tuple[str, ...] = ()
    reboot_status: str = ""
    window_exceeded: bool = False
    problem: str = ""

    @property
    def running(self) -> bool:
        """Say whether the run is still going on."""
        return self.status == "InProgress"

    @property
    def ok(self) -> bool:
        """Say whether everything asked for is installed and no restart is outstanding."""
        clean = not (self.failed or self.pending or self.window_exceeded)
        return self.status == "Succeeded" and clean and self.reboot_status in _REBOOTED_WELL

    @property
    def words(self) -> str:
        """What happened, in one line."""
        parts = [f"{self.installed} installed" + (f" ({', '.join(self.kbs)})" if self.kbs else "")]
        parts += [
            f"{count} {word}" for count, word in ((self.failed, "failed"), (self.pending, "not installed")) if count
        ]
        parts += ["time ran out"] * self.window_exceeded
        parts += {"Completed": ["restarted"], "Required": ["a restart is still needed"]}.get(self.reboot_status, [])
        parts += ["restart failed"] * (self.reboot_status == "Failed")
        return f"{self.status}: {', '.join(parts)}" + (f" ({self.problem})" if self.problem else "")


@dataclass(frozen=True)
class VmView:
    """A server as Azure sees it now.

    reboot_pending is None when Azure has not assessed it yet, and as old as assessed_at otherwise.
    installation: the last patch run, without its single patches and reboot status; changed_at: when it last moved.
    """

    running: bool
    agent_ready: bool
    assessing: bool
    reboot_pending: bool | None
    assessed_at: datetime | None
    installation: Installation | None
    changed_at: datetime | None = None

    @property
    def assessed_since(self) -> bool:
        """Say whether what is known of patches and reboots is younger than the last patch run."""
        return bool(self.assessed_at and self.changed_at and self.assessed_at >= self.changed_at)

    @property
    def installing(self) -> bool:
        """Say whether a patch run is going on, whoever started it."""
        return bool(self.installation and self.installation.running)


class VirtualMachines:
    """The virtual machines of the session's resource group, by name."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session

    def view(self, vm: str, patience: Patience | None = None) -> VmView:
        """Read how a server is. Raises VendorError."""
        session = self._session
        machines = session.compute.virtual_machines
        answer = session.repeat(f"reading the server {vm}", lambda: machines.instance_view(session.group, vm), patience)
        return _view(plain(answer))

    def assess(self, vm: str, patience: Patience) -> Assessment:
        """Have Azure look for missing patches and wait for the result.

        Waits while another operation holds the server. Raises VendorError (also when the assessment
        itself failed), Stopped, DeadlinePassed.
        """
        session, what = self._session, f"assessing the patches of {vm}"

        def ask() -> Any:
            poller = session.compute.virtual_machines.begin_assess_patches(
                session.group, vm, polling=session.polling(what, patience)
            )
            return session.result(poller)

        result = plain(session.when_free(what, ask, patience) or {})
        if result.get("status") not in {"Succeeded", "CompletedWithWarnings"}:
            raise VendorError(
                f"{what}: it ended {result.get('status') or 'without a result'} {_error(result)}".rstrip(),
                where="Azure",
                next=f"look at {vm} in the portal (Updates), then run again",
                status=200,
                code=str((result.get("error") or {}).get("code") or ""),
            )
        return _assessment(result)

    def start_install(
        self,
        vm: str,
        *,
        maximum: timedelta,
        classifications: tuple[str, ...] = CLASSIFICATIONS,
        reboot: str = "IfRequired",
        patience: Patience | None = None,
    ) -> str:
        """Start a patch run and return a token (text) by which any process can wait for it.

        maximum: how long the run may take. reboot: IfRequired, Never or Always. A throttled start (429) is
        tried again while the patience (one minute if None) lasts. When a start was not answered, the run is
        looked for before anything is said. Raises VendorError; with code OutcomeUnknown the run may have
        started, else nothing did.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        from maint.systems.azure.pipeline import passing  # noqa: PLC0415 - imports the SDK

        what, patience = f"starting the patches of {vm}", patience or self._session.patience()
        body = {
            "maximumDuration": _duration(maximum),
            "rebootSetting": reboot,
            "windowsParameters": {"classificationsToInclude": list(classifications)},
        }
        while True:
            last = self.view(vm, patience).installation
            previous = last.id if last else ""
            try:
                return json.dumps({"previous": previous, "poller": self._begin(vm, body)})
            except AzureError as error:
                problem = self._session.problem(error, what)
                if problem.status == 429 and patience.left:
                    patience.pause(what, problem.retry_after)
                    continue
                if not passing(error) or problem.status == 429:
                    raise problem from error
                return self._find_started(vm, previous, problem, patience)

    def _begin(self, vm: str, body: dict[str, Any]) -> str:
        from maint.systems.azure.pipeline import StartOnly  # noqa: PLC0415 - imports the SDK

        machines: Any = self._session.compute.virtual_machines  # its types refuse plain JSON, its code does not
        poller = machines.begin_install_patches(self._session.group, vm, body, polling=StartOnly())
        return str(poller.continuation_token())

    def _find_started(self, vm: str, previous: str, problem: VendorError, patience: Patience) -> str:
        """Look for the run whose start was not answered; raises OutcomeUnknown when there is none to see."""
        for _ in range(_LOOKS):
            now = self.view(vm, patience).installation
            if now and now.id != previous:
                return json.dumps({"previous": previous, "poller": None})
            patience.pause(f"a sign of the patch run on {vm}")
        raise VendorError(
            f"{problem.what}; whether it started is not known, and nothing of it is to be seen",
            where=problem.where,
            next="run again: it looks for a patch run that is going on before it starts one",
            status=problem.status,
            code="OutcomeUnknown",
        ) from problem

    def find_install(self, vm: str) -> str | None:
        """Return a token for the patch run that is going on, whoever started it; None when there is none."""
        return _NO_TOKEN if self.view(vm).installing else None

    def wait_install(self, vm: str, token: str, patience: Patience) -> Installation:
        """Wait for a patch run, started by this process or another, and return what became of it.

        A token that Azure no longer knows, or an empty one, is no obstacle: the server's last run is looked
        at then (without its single patches). Raises VendorError when Azure cannot say, Stopped and
        DeadlinePassed; the run goes on in Azure.
        """
        known = json.loads(token or _NO_TOKEN)
        if known["poller"]:
            found = self._resume(vm, known["poller"], patience)
            if found:
                return found
        what = f"the patch run on {vm}"
        looks = 0
        while True:
            now = self.view(vm, patience).installation
            if now and not now.running and now.id != known["previous"]:
                return now
            looks += 1
            if looks > _LOOKS and not (now and now.running):
                raise VendorError(
                    f"{what} is not to be seen any more",
                    where="Azure",
                    next=f"look at {vm} in the portal (Updates, History), then run again",
                )
            patience.tell(f"{what}: {now.status if now else 'not to be seen yet'}")
            patience.pause(what)

    def _resume(self, vm: str, token: str, patience: Patience) -> Installation | None:
        """Wait by the operation's own token; None when Azure (or this SDK) can do nothing with it."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        from maint.systems.azure.pipeline import passing  # noqa: PLC0415 - imports the SDK

        session, what = self._session, f"patching {vm}"
        machines: Any = session.compute.virtual_machines
        try:
            poller = machines.begin_install_patches(
                session.group, vm, {}, continuation_token=token, polling=session.polling(what, patience)
            )
            result = plain(session.result(poller) or {})
        except (ValueError, KeyError, TypeError):
            return None
        except AzureError as error:
            problem = session.problem(error, what)
            if problem.status in {404, 410} or passing(error):
                return None
            if problem.status >= 300 or not problem.status:
                raise problem from error
            return Installation(id="", status="Failed", problem=problem.what)
        return _installation(result) if result.get("status") else None


def _view(raw: dict[str, Any]) -> VmView:
    patches = raw.get("patchStatus") or {}
    available = patches.get("availablePatchSummary") or {}
    last = patches.get("lastPatchInstallationSummary")
    assessed = available.get("lastModifiedTime") or available.get("startTime")
    return VmView(
        running="PowerState/running" in {status.get("code") for status in raw.get("statuses") or []},
        agent_ready="Ready"
        in {status.get("displayStatus") for status in (raw.get("vmAgent") or {}).get("statuses") or []},
        assessing=available.get("status") == "InProgress",
        reboot_pending=available.get("rebootPending"),
        assessed_at=datetime.fromisoformat(assessed) if assessed else None,
        installation=_installation(last) if last else None,
        changed_at=datetime.fromisoformat(last["lastModifiedTime"]) if last and "lastModifiedTime" in last else None,
    )


def _assessment(raw: dict[str, Any]) -> Assessment:
    return Assessment(
        critical_and_security=int(raw.get("criticalAndSecurityPatchCount") or 0),
        other=int(raw.get("otherPatchCount") or 0),
        reboot_pending=bool(raw.get("rebootPending")),
        patches=tuple(
            Patch(
                name=str(patch.get("name") or ""),
                kb=str(patch.get("kbId") or ""),
                classification=", ".join(patch.get("classifications") or []),
            )
            for patch in raw.get("availablePatches") or []
        ),
    )


def _installation(raw: dict[str, Any]) -> Installation:
    """Read a result or a summary; Azure names their fields alike."""
    done = [patch for patch in raw.get("patches") or [] if patch.get("installationState") == "Installed"]
    return Installation(
        id=str(raw.get("installationActivityId") or ""),
        status=str(raw.get("status") or "Unknown"),
        installed=int(raw.get("installedPatchCount") or 0),
        failed=int(raw.get("failedPatchCount") or 0),
        pending=int(raw.get("pendingPatchCount") or 0),
        not_selected=int(raw.get("notSelectedPatchCount") or 0),
        kbs=tuple(f"KB{str(patch['kbId']).removeprefix('KB')}" for patch in done if patch.get("kbId")),
        reboot_status=str(raw.get("rebootStatus") or ""),
        window_exceeded=bool(raw.get("maintenanceWindowExceeded")),
        problem=_error(raw),
    )


def _error(raw: dict[str, Any]) -> str:
    error = raw.get("error") or {}
    details = [error, *(error.get("details") or [])]
    return "; ".join(str(detail.get("message")) for detail in details if detail.get("message"))


def _duration(span: timedelta) -> str:
    minutes = max(1, int(span.total_seconds() // 60))
    return f"PT{minutes // 60}H{minutes % 60}M"
