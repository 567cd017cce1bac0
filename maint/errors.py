"""What went wrong, as data and as one sentence for a person."""


class MaintError(Exception):
    """Something this program refuses or cannot do.

    what: the sentence. where: file:line, system or resource. holder: who holds it, since when.
    next: the command to run, or what to do. Printed as "where: what (held by holder). Next: next".
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", holder: str = "", next: str = "") -> None:  # noqa: A002 - the word a person reads
        self.what, self.where, self.holder, self.next = what, where, holder, next
        super().__init__(what)

    def __str__(self) -> str:
        """Return the whole sentence."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.holder:
            text += f" (held by {self.holder})"
        text = text if text.endswith((".", "!", "?")) else text + "."
        return f"{text} Next: {self.next}" if self.next else text

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every field when pytest-xdist or a thread carries the error elsewhere."""
        return _rebuild, (type(self), self.what, self.where, self.holder, self.next)


def _rebuild(kind: type[MaintError], what: str, where: str, holder: str, next_: str) -> MaintError:
    return kind(what, where=where, holder=holder, next=next_)


class UsageProblem(MaintError):
    """A wrong option, environment or window file; nothing was touched."""

    exit_code = 4


class WindowError(UsageProblem):
    """A window file that cannot be used; nothing was touched."""


class VendorError(MaintError):
    """A vendor answered something that we cannot go on with.

    where names system and resource; status is the HTTP status (0 when there was no answer at all),
    code the vendor's own error code, retry_after seconds when the vendor named them.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        holder: str = "",
        next: str = "",  # noqa: A002 - the word a person reads
        status: int = 0,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, where=where, holder=holder, next=next)
        self.status, self.code, self.retry_after = status, code, retry_after


class LostUpdate(VendorError):
    """A change of a resource, ours or another's, was overwritten; what was lost is in the sentence."""


class LeaseLost(MaintError):
    """Another run took this run's place; nothing more may be written, undo included."""


class DeadlinePassed(MaintError):
    """Something that was waited for did not happen in time."""


class Stopped(MaintError):
    """The run was told to stop while it waited."""
