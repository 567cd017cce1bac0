"""The lines of a window as typed, frozen objects: one class for each kind of work."""

import re
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from maint.window_time import Calendar, duration

Status = Literal["to do", "doing", "done", "failed", "not doing"]
PhaseName = Literal["preflight", "saturday-pre", "sunday-pre", "sunday-start", "sunday-changes", "sunday-post"]
PHASES: tuple[PhaseName, ...] = get_args(PhaseName)

_TICKET = re.compile(r"[A-Z][A-Z0-9]+-[1-9][0-9]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)?")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def _moment(value: Any, info: ValidationInfo) -> Any:
    calendar = info.context
    return calendar.moment(value) if isinstance(value, str) and isinstance(calendar, Calendar) else value


def _duration(value: Any) -> Any:
    return duration(value) if isinstance(value, str) else value


def _tickets(value: Any) -> Any:
    if isinstance(value, dict):
        return [{"id": name, "status": status} for name, status in value.items()]
    if value is None or isinstance(value, str | list):
        raise ValueError("allowed: a line for each ticket with its status, such as PLAT-1929: to do")
    return value


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name of a thing; allowed: letters, digits, - and _, such as IC-Web1")
    return name


def _ticket(name: str) -> str:
    if not _TICKET.fullmatch(name):
        raise ValueError(f"'{name}' is not a ticket; allowed: such as PLAT-1929")
    return name


def _channel(name: str) -> str:
    if name.startswith("#"):
        raise ValueError(f"'{name}' begins with #; allowed: the channel's name alone, such as {name[1:]}")
    if not _CHANNEL.fullmatch(name):
        raise ValueError(f"'{name}' is not a channel name; allowed: lower-case letters, digits, - and _")
    return name


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name)]
Channel = Annotated[str, AfterValidator(_channel)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Record(BaseModel):
    """A frozen part of a window; a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Ticket(Record):
    """A ticket of a step, with a status of its own."""

    id: Annotated[str, AfterValidator(_ticket)]
    status: Status


class Step(Record):
    """One line of the runbook, or one part of a line ("P7.drain").

    phase: None for the scheduled tests. reason: why it is not doing. reading: what we read into the
    page where it is silent, else None. not_before, start_by: aware, in the window's zone. after: ids
    of the steps it waits for, groups replaced by their parts. expected: how long it usually takes
    (for a patch: per server). undo: in words; "none" when there is no way back. team: of change_teams.
    parent: the id of the line it is a part of.
    """

    id: Name
    parent: str | None = None
    title: Text
    phase: PhaseName | None = None
    status: Status = "to do"
    reason: Text | None = None
    reading: Text | None = None
    note: Text | None = None
    not_before: Moment | None = None
    start_by: Moment | None = None
    after: tuple[Text, ...] = ()
    touches: tuple[Text, ...] = ()
    expected: Duration = timedelta(0)
    tickets: Annotated[tuple[Ticket, ...], BeforeValidator(_tickets)] = ()
    undo: Text = "none"
    only_with: Text | None = None
    team: Text | None = None
    owner: Text | None = None
    tester: Text | None = None
    runbook: Text | None = None


class Drain(Step):
    """Take a batch out of the pool and give each server back when it is ready."""

    kind: Literal["drain"]
    batch: Text


class Mute(Step):
    """Turn off alerts: of a batch's servers, or of the policies named.

    azure: also with an alert processing rule (for the batch's machines; without a batch for the
    whole resource group). It ends by itself: at the end of `until` plus `grace`; see Window.ends.
    """

    kind: Literal["mute"]
    batch: Text | None = None
    policies: tuple[Text, ...] = ()
    azure: bool = True
    until: PhaseName | None = None
    grace: Duration = timedelta(minutes=30)


class Patch(Step):
    """Assess and install updates on a batch's servers, all at once.

    classifications and reboot are Azure's own words.
    """

    kind: Literal["patch"]
    batch: Text
    classifications: tuple[
        Literal[
            "Critical",
            "Security",
            "UpdateRollUp",
            "FeaturePack",
            "ServicePack",
            "Definition",
            "Tools",
            "Updates",
        ],
        ...,
    ] = Field(min_length=1)
    reboot: Literal["IfRequired", "Never", "Always"] = "IfRequired"


class Notify(Step):
    """Say something in Slack.

    about: which moment it is for: the phase's own line ("note"), the start, the give-back of servers,
    the request to run tests, or the finish. mentions: names, without @.
    """

    kind: Literal["notify"]
    channels: tuple[Channel, ...] = Field(min_length=1)
    text: Text
    about: Literal["start", "give-back", "tests", "finish", "note"] = "note"
    mentions: tuple[Text, ...] = ()


class Pipeline(Step):
    """Run a pipeline: the stages named, in order, or all when none is named.

    run: "new", or "same" for the run that an earlier step of the same pipeline began.
    """

    kind: Literal["pipeline"]
    pipeline: Text
    stages: tuple[Text, ...] = ()
    version: Text | None = None
    run: Literal["new", "same"] = "new"


class Pingdom(Step):
    """Put checks into a Pingdom maintenance window, which ends by itself; see Window.ends."""

    kind: Literal["pingdom"]
    checks: tuple[Text, ...] = Field(min_length=1)
    until: PhaseName | None = None
    grace: Duration = timedelta(minutes=30)


class DnsRecord(Record):
    """One record: what it is called, what it holds now and what it becomes."""

    name: Text
    type: Literal["CNAME", "A"] = "CNAME"
    holds: Text
    becomes: Text


class Dns(Step):
    """Change records in Cloudflare until the `until` phase gives them back."""

    kind: Literal["dns"]
    records: tuple[DnsRecord, ...] = Field(min_length=1)
    until: PhaseName | None = None


class GiveBack(Step):
    """Put back what earlier steps took; purge: and empty Cloudflare's cache."""

    kind: Literal["give_back"]
    gives_back: tuple[Text, ...] = Field(min_length=1)
    purge: bool = False


class Manual(Step):
    """Something that a person does and confirms."""

    kind: Literal["manual"]


class NodeImage(Step):
    """Upgrade the node image of a Kubernetes cluster's node pools; pools: all when none is named."""

    kind: Literal["node_image"]
    cluster: Text
    pools: tuple[Text, ...] = ()


class Script(Step):
    """Run a script of this project; path: relative to the project folder, and inside it."""

    kind: Literal["script"]
    path: Text
    arguments: tuple[str, ...] = ()


class Setting(Record):
    """A setting of a server: a PowerShell path, the name there, and the value it shall have."""

    path: Text
    name: Text
    value: Text


class RunCommand(Step):
    """Change a setting on servers, one after the other, through Azure's run command.

    servers: all of the window when none is named. in_service: without taking the server out first.
    """

    kind: Literal["run_command"]
    setting: Setting
    servers: tuple[Text, ...] = ()
    in_service: bool = False


class Diagnostics(Step):
    """Remove Azure diagnostic settings: on the canary first, then on the others.

    servers: all of the window when none is named. settings: every one found when none is named.
    """

    kind: Literal["diagnostics"]
    canary: Text
    servers: tuple[Text, ...] = ()
    settings: tuple[Text, ...] = ()


class AdRecords(Step):
    """Remove the directory's DNS records that point to an address, on a domain controller."""

    kind: Literal["ad_records"]
    address: IPv4Address
    controller: Text
    zones: tuple[Text, ...] = Field(min_length=1)


class Covered(Step):
    """A line that other steps carry out; it is done when they are, and they carry its tickets."""

    kind: Literal["covered"]
    by: tuple[Text, ...] = Field(min_length=1)


class Suite(Step):
    """A suite of browser tests at a time of its own; at, by: aware, in the window's zone."""

    kind: Literal["smoke", "regression"]
    at: Moment
    by: Moment | None = None
    site: Text


class Group(Step):
    """A line with parts; parts: their ids. at_once: they do not wait for each other."""

    kind: Literal["group"]
    parts: tuple[Text, ...] = Field(min_length=1)
    at_once: bool = False


AnyStep = (
    Drain
    | Mute
    | Patch
    | Notify
    | Pipeline
    | Pingdom
    | Dns
    | GiveBack
    | Manual
    | NodeImage
    | Script
    | RunCommand
    | Diagnostics
    | AdRecords
    | Covered
    | Suite
    | Group
)

KINDS: dict[str, type[AnyStep]] = {
    "drain": Drain,
    "mute": Mute,
    "patch": Patch,
    "notify": Notify,
    "pipeline": Pipeline,
    "pingdom": Pingdom,
    "dns": Dns,
    "give_back": GiveBack,
    "manual": Manual,
    "node_image": NodeImage,
    "script": Script,
    "run_command": RunCommand,
    "diagnostics": Diagnostics,
    "ad_records": AdRecords,
    "covered": Covered,
    "smoke": Suite,
    "regression": Suite,
    "group": Group,
}
