"""The domain controller: one more machine, with the DNS zone of the directory on it."""

from dataclasses import dataclass
from datetime import timedelta

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.fleet import Server
from maint.rehearsal.front import History

ZONE = "corp.invoicecloud.example"
NAME, ADDRESS = "IC-DC1", "10.0.0.4"


@dataclass(frozen=True)
class DnsRecord:
    """One record of a zone; data: the address, name or text that it holds. aged: registered by a machine itself."""

    name: str
    type: str
    data: str
    ttl: timedelta = timedelta(hours=1)
    aged: bool = False

    @property
    def line(self) -> str:
        """The record in one line, without what changes by itself."""
        return f"{self.name} {self.type} {self.data}"


FIRST_RECORDS = (
    DnsRecord("@", "NS", "ic-dc1.corp.invoicecloud.example."),
    DnsRecord("@", "A", ADDRESS),
    DnsRecord("_ldap._tcp", "SRV", "0 100 389 ic-dc1.corp.invoicecloud.example.", timedelta(minutes=10)),
    DnsRecord("ic-dc1", "A", ADDRESS),
    DnsRecord("ic-testweb1", "A", "10.0.3.20", timedelta(minutes=20), aged=True),
    DnsRecord("testsite", "A", "10.0.3.20"),
    # One name, two addresses: only the dead one may go.
    DnsRecord("uat", "A", "10.0.3.20"),
    DnsRecord("uat", "A", "10.0.3.21"),
    DnsRecord("ic-testweb2", "A", "10.0.3.21", timedelta(minutes=20), aged=True),
    DnsRecord("files", "A", "10.0.3.200"),
    DnsRecord("old", "CNAME", "ic-testweb1.corp.invoicecloud.example."),
    DnsRecord("uat", "TXT", "points to 10.0.3.20"),
    *(DnsRecord(f"ic-web{n}", "A", f"10.0.1.{10 + n}", timedelta(minutes=20), aged=True) for n in range(1, 11)),
)


class DomainController(Server):
    """A machine like the others, in no pool, with DNS zones by name."""

    def __init__(self, clock: WorldClock, history: History) -> None:
        super().__init__(11, clock, history)
        self.name, self.address = NAME, ADDRESS
        self.settings = {}
        self.zones: dict[str, list[DnsRecord]] = {ZONE: list(FIRST_RECORDS)}
        self.removed: list[str] = []

    def one_way(self) -> dict[str, list[str]]:
        """Return each zone's records, and the removals in the order in which they were made."""
        return {
            **{zone: sorted(r.line for r in records) for zone, records in self.zones.items()},
            "removed": self.removed,
        }
