"""Waits for a run to end; if it ends without saying goodbye, gives back what it took.

Started by the run as `python -m maint.guardian RUN PHASE SCOPE`, in a session of its own, with a pipe as standard
input whose other end only the run holds. It loads nothing until it is needed.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

GOODBYE = b"bye\n"
TOKEN = "MAINT_LEASE_TOKEN"  # noqa: S105 - the name of a variable


class Guardian:
    """The run's end of the pipe."""

    def __init__(self, process: "subprocess.Popen[bytes]", write_end: int) -> None:
        self.process, self._write_end = process, write_end

    @property
    def pid(self) -> int:
        """Return the guardian's process id."""
        return self.process.pid

    def goodbye(self) -> None:
        """Tell the guardian that there is nothing for it to do, and wait until it is gone (at most 10 s)."""
        if self._write_end < 0:
            return
        with suppress(BrokenPipeError):  # it may be gone already
            os.write(self._write_end, GOODBYE)
        os.close(self._write_end)
        self._write_end = -1
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def start_guardian(run: str, phase: str, scope: str, *, root: Path, token: str, journal: str, log: Path) -> Guardian:
    """Start the guardian of a run, in the project `root`; it writes what it does to `log`."""
    read_end, write_end = os.pipe()  # not inherited by any other child of ours
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own module, with our own interpreter
            [sys.executable, "-m", "maint.guardian", run, phase, scope],
            stdin=read_end,
            stdout=out,
            stderr=out,
            cwd=root,
            start_new_session=True,
            env={**os.environ, TOKEN: token, "MAINT_JOURNAL": journal},
        )
    os.close(read_end)
    return Guardian(process, write_end)


def main() -> None:
    """Wait for the end of the pipe; without a goodbye, end what is left of the run and restore."""
    run, phase, scope = sys.argv[1:4]
    if os.read(0, len(GOODBYE)) == GOODBYE:
        return
    print(f"run {run} ended without a goodbye; giving back what it took", flush=True)
    _end_workers(phase, scope)
    os.execv(  # noqa: S606 - the same pid goes on as the restore: there is no second code path
        sys.executable, [sys.executable, "-m", "maint.cli", "restore", "--run", run, "--yes"]
    )


def _end_workers(phase: str, scope: str) -> None:
    from maint.journal import Journal  # noqa: PLC0415 - see the module's docstring
    from maint.lease import lease_records  # noqa: PLC0415

    journal = Journal(os.environ["MAINT_JOURNAL"], scope)
    for record in lease_records(journal):
        if record.phase == phase and record.token == os.environ.get(TOKEN):
            for process in record.living():
                if process.role.startswith(("worker", "run")):
                    print(f"ending {process.role} {process.pid}", flush=True)
                    process.kill()


if __name__ == "__main__":
    main()
