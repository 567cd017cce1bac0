"""`maint rehearse`, as `make rehearse` calls it: a twin of its own, every phase, the world as before."""

import shutil

from .conftest import Rehearsal


def test_rehearse_on_a_twin_of_its_own(rehearsal: Rehearsal) -> None:
    del rehearsal.environment["MAINT_TWIN"]
    for suite in ("smoke", "regression"):  # they have tests of their own
        shutil.rmtree(rehearsal.folder / suite)
        (rehearsal.folder / suite).mkdir()
    ended = rehearsal.maint("rehearse")
    assert ended.code == 0, ended.text
    assert "The world is as before" in ended.text
    assert not (rehearsal.folder / ".maint" / "twin.json").exists(), "the twin was ended"
    assert rehearsal.maint("status").code == 0
