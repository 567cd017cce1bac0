"""Which systems there are, where they are, and which secrets open them."""

import os
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from maint.errors import UsageProblem
from maint.redact import register
from maint.site import Site
from maint.twin import Handover

NAMES = ("rehearsal", "production")

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """A part of an environment file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(Settings):
    """One web server: its address in the pool, and its VM where the name differs."""

    address: str
    vm: str | None = None


class AzureSettings(Settings):
    """Azure Resource Manager and the servers in it."""

    url: str
    subscription: str
    resource_group: str
    location: str
    servers: dict[str, ServerSettings]


class NewRelicSettings(Settings):
    """NerdGraph; `key` is the name of a secret."""

    url: str
    account: int
    key: str


class AzureDevOpsSettings(Settings):
    """Azure DevOps; `token` is the name of a secret, `pipelines` maps a name to its id."""

    url: str
    organization: str
    project: str
    token: str
    pipelines: dict[str, int]


class SlackSettings(Settings):
    """Slack; `token` is the name of a secret, `channels` maps a name to its id."""

    url: str
    token: str
    channels: dict[str, str]


class CloudflareSettings(Settings):
    """Cloudflare; `zone` is the domain, `token` the name of a secret."""

    url: str
    zone: str
    token: str


class PingdomSettings(Settings):
    """Pingdom; `token` is the name of a secret."""

    url: str
    token: str


class JiraSettings(Settings):
    """Jira Cloud; `user` is the account's e-mail address, `token` the name of a secret."""

    url: str
    user: str
    token: str


class DirectSettings(Settings):
    """How a server is asked directly, past the gateway, whether it is well.

    health: a path that answers 200 when the server can serve. status: a path that answers JSON with the number of
    open "connections", or nothing where there is none.
    """

    health: str = "/healthz"
    status: str | None = None


class ProbeSettings(Settings):
    """How often the site is asked while a phase runs."""

    per_second: PositiveFloat = 1.0


class Environment(Settings):
    """Where everything is; `handover` is the twin's in rehearsal and None in production."""

    name: Literal["rehearsal", "production"]
    azure: AzureSettings
    newrelic: NewRelicSettings
    azure_devops: AzureDevOpsSettings
    slack: SlackSettings
    cloudflare: CloudflareSettings | None = None
    pingdom: PingdomSettings | None = None
    jira: JiraSettings | None = None
    direct: DirectSettings = DirectSettings()
    probe: ProbeSettings = ProbeSettings()
    poll_seconds: PositiveFloat = 10.0
    in_flight_seconds: float = 35.0
    site: Site
    handover: Handover | None = None

    @property
    def production(self) -> bool:
        """Say whether real systems are touched."""
        return self.name == "production"

    @property
    def ca(self) -> Path | None:
        """Return the certificate authority to trust beside the machine's own."""
        return Path(self.handover.ca) if self.handover else None

    def needs(self, settings: S | None, name: str) -> S:
        """Return a system's settings; raises UsageProblem when this environment has none for it."""
        if settings is None:
            raise UsageProblem(
                f"there is no section {name!r}, and this step needs it", where=f"environments/{self.name}.yaml"
            )
        return settings

    def server(self, name: str) -> ServerSettings:
        """Return one server's settings; raises UsageProblem when the environment does not know it."""
        if name not in self.azure.servers:
            raise UsageProblem(
                f"the server {name} has no address; allowed: {', '.join(self.azure.servers)}",
                where=f"environments/{self.name}.yaml, azure.servers",
            )
        return self.azure.servers[name]

    def secret(self, name: str) -> str:
        """Return a secret's value, known to the redaction from now on; raises UsageProblem where it is not set."""
        value = os.environ.get(name) if self.production else f"rehearsal-{name.lower()}"
        if not value:
            raise UsageProblem(
                f"the secret {name} is not set",
                where=f"environments/{self.name}.yaml",
                next=f"export {name}=... and run again",
            )
        register(value)
        return value


def environment_name() -> str:
    """Return the environment that MAINT_ENV names, else rehearsal; raises UsageProblem for another name."""
    name = os.environ.get("MAINT_ENV") or "rehearsal"
    if name not in NAMES:
        raise UsageProblem(f"there is no environment {name!r}; allowed: {', '.join(NAMES)}", where="MAINT_ENV")
    return name


def load_environment(folder: Path, handover: Handover | None) -> Environment:
    """Read `folder`/NAME.yaml for the environment in force; raises UsageProblem in one sentence.

    In rehearsal every address must be the twin's: whatever the file says, nothing real is touched.
    """
    name = environment_name()
    path = folder / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageProblem(
            f"this checkout has no such file, so {name} cannot be run from it",
            where=str(path),
            next="pytest -m saturday-pre without MAINT_ENV rehearses on the twin",
        ) from error
    if handover:
        text = text.replace("{twin}", handover.url)
    try:
        data: Any = yaml.safe_load(text)
        environment = Environment.model_validate({**data, "handover": handover})
    except (yaml.YAMLError, TypeError) as error:
        raise UsageProblem(f"not a YAML mapping: {' '.join(str(error).split())}", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageProblem(f"{place}: {first['msg']}", where=str(path)) from error
    if environment.name != name:
        raise UsageProblem(f"it calls itself {environment.name}, and is read as {name}", where=str(path))
    _refuse_strangers(environment, path)
    return environment


def _refuse_strangers(environment: Environment, path: Path) -> None:
    if not environment.handover:
        return
    e = environment
    for system in (e.azure, e.newrelic, e.azure_devops, e.slack, e.cloudflare, e.pingdom, e.jira):
        if system and not system.url.startswith(environment.handover.url + "/"):
            raise UsageProblem(f"{system.url} is not the twin; a rehearsal speaks to {{twin}} only", where=str(path))
