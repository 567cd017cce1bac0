"""Azure's own monitoring of a machine: its platform's diagnostic settings, and the diagnostics extension within it.

"Removing diagnostics" may mean either, so both are looked for; other extensions are never touched.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from maint.errors import VendorError
from maint.systems.azure.documents import plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession

_PUBLISHER = "microsoft.azure.diagnostics"
_VERSION = "2021-05-01-preview"  # the SDK has no operations for diagnostic settings any more
_READ_ONLY = ("provisioningState", "instanceView")


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic setting or extension of a machine, with all that it takes to put it back; plain values.

    Azure never shows an extension's protected settings (keys): they are not in the document.
    """

    kind: Literal["setting", "extension"]
    vm: str
    name: str
    document: dict[str, Any]

    @property
    def words(self) -> str:
        """What it is, for a person."""
        what = "diagnostic setting" if self.kind == "setting" else "diagnostics extension"
        return f"{what} {self.name} of {self.vm}"

    @property
    def whole(self) -> bool:
        """Say whether the document is all there is to it: an extension may have had keys that Azure never shows."""
        return self.kind == "setting"


class Diagnostics:
    """Diagnostic settings and extensions of the session's virtual machines."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session

    def found(self, vm: str, patience: Patience, names: Collection[str] = ()) -> tuple[Diagnostic, ...]:
        """Return a machine's diagnostic settings and extensions, of these names only where any are given.

        Raises VendorError.
        """
        answer = self._send("GET", vm, "", None, patience)
        settings = [
            Diagnostic("setting", vm, one["name"], {"properties": one["properties"]}) for one in answer.get("value", [])
        ]
        session = self._session
        answer = plain(
            session.repeat(
                f"reading the extensions of {vm}",
                lambda: session.compute.virtual_machine_extensions.list(session.group, vm),
                patience,
            )
        )
        extensions = [
            Diagnostic("extension", vm, one["name"], _installable(one))
            for one in answer.get("value") or []
            if str((one.get("properties") or {}).get("publisher", "")).lower() == _PUBLISHER
        ]
        wanted = {name.lower() for name in names}
        return tuple(one for one in (*settings, *extensions) if not wanted or one.name.lower() in wanted)

    def remove(self, found: Iterable[Diagnostic], patience: Patience) -> tuple[Diagnostic, ...]:
        """Remove these and return those that were there; one that is gone already is no error.

        Write `found` down first: it is all that puts them back. Raises VendorError when Azure refuses or one is
        still there afterwards, Stopped, DeadlinePassed (removing may go on).
        """
        removed = []
        for one in found:
            if self._is_there(one, patience):
                self._remove(one, patience)
                if self._is_there(one, patience):
                    raise VendorError(
                        f"the {one.words} is still there after it was removed",
                        where="Azure",
                        next="look who puts it there (a policy?), then run again",
                    )
                removed.append(one)
        return tuple(removed)

    def put_back(self, removed: Iterable[Diagnostic], patience: Patience) -> tuple[Diagnostic, ...]:
        """Put these back as they were and return those that were not there; one that is there is left alone.

        Raises as `remove` does.
        """
        back = []
        for one in removed:
            if not self._is_there(one, patience):
                self._put(one, patience)
                back.append(one)
        return tuple(back)

    def _is_there(self, one: Diagnostic, patience: Patience) -> bool:
        return any((known.kind, known.name) == (one.kind, one.name) for known in self.found(one.vm, patience))

    def _remove(self, one: Diagnostic, patience: Patience) -> None:
        what, session = f"removing the {one.words}", self._session
        if one.kind == "setting":
            self._send("DELETE", one.vm, one.name, None, patience)
            return

        def ask() -> Any:
            extensions = session.compute.virtual_machine_extensions
            return session.result(
                extensions.begin_delete(session.group, one.vm, one.name, polling=session.polling(what, patience))
            )

        session.when_free(what, ask, patience)

    def _put(self, one: Diagnostic, patience: Patience) -> None:
        what, session = f"putting the {one.words} back", self._session
        if one.kind == "setting":
            self._send("PUT", one.vm, one.name, one.document, patience)
            return

        def ask() -> Any:
            extensions: Any = session.compute.virtual_machine_extensions  # its types refuse plain JSON
            return session.result(
                extensions.begin_create_or_update(
                    session.group, one.vm, one.name, one.document, polling=session.polling(what, patience)
                )
            )

        session.when_free(what, ask, patience)

    def _send(self, method: str, vm: str, name: str, body: Any, patience: Patience) -> Any:
        """Ask for one setting, or for all where no name is given; both writes may be made twice."""
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - the SDK loads when first used

        session = self._session
        machine = session.resource_id("Microsoft.Compute/virtualMachines", vm)
        url = f"{machine}/providers/Microsoft.Insights/diagnosticSettings" + (f"/{name}" if name else "")

        def ask() -> Any:
            request = HttpRequest(method, url, params={"api-version": _VERSION}, json=body)
            response = session.compute.send_request(request)
            response.raise_for_status()
            return response.json() if response.content else {}

        verb = {"GET": "reading", "PUT": "writing", "DELETE": "removing"}[method]
        return session.repeat(f"{verb} the diagnostic settings of {vm}", ask, patience)


def _installable(extension: dict[str, Any]) -> dict[str, Any]:
    """Return of an extension what a PUT takes."""
    properties = {k: v for k, v in extension["properties"].items() if k not in _READ_ONLY}
    return {"location": extension["location"], "tags": extension.get("tags") or {}, "properties": properties}
