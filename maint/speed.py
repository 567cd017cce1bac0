"""How fast a rehearsal's world runs: quickly while steps run, and as a person sees it while browsers do."""

from maint.context import Context

BROWSING = 1.0
USUAL = 600.0


def working_speed(context: Context, asked: float | None = None) -> float:
    """Return the speed for steps: the one asked for, else the world's own unless a browser's pace is still set."""
    if asked:
        return asked
    speed = context.clock.speed
    return speed if speed > BROWSING or not context.rehearsal else USUAL
