"""`python -m maint.rehearsal`: starts the twin."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from maint.rehearsal.serving import serve

SPEED = 600.0


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m maint.rehearsal", description="The rehearsal twin.")
    parser.add_argument("--handover", required=True, type=Path, help="the file that says where it is, once it is ready")
    parser.add_argument("--port", type=int, default=0, help="the main port (default: any free one)")
    parser.add_argument("--speed", type=float, default=SPEED, help="world seconds per second (default: %(default)g)")
    wanted = parser.parse_args()
    if wanted.speed <= 0:
        parser.error("--speed must be greater than 0")
    with tempfile.TemporaryDirectory(prefix="maint-twin-") as folder:
        asyncio.run(serve(wanted.handover.absolute(), wanted.port, wanted.speed, Path(folder)))


if __name__ == "__main__":
    main()
