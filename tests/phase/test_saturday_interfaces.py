"""The Saturday phase on a pool whose members are in it partly by network interface."""

from .conftest import OUT, Rehearsal


def test_whole_phase_with_members_of_both_kinds(rehearsal: Rehearsal) -> None:
    rehearsal.control.post("/mode", json={"members": "mixed"}).raise_for_status()
    before = rehearsal.state()["reversible"]
    assert before["azure"]["gateway"]["by_interface"] == OUT[:3]
    ended = rehearsal.run()
    assert ended.code == 0, ended.text
    assert rehearsal.state()["reversible"] == before
    # IC-Web4 and 5 by one write of the gateway, IC-Web1 to 3 by one of each interface; all of it twice.
    assert len(rehearsal.requests("PUT", "applicationGateways")) == 2
    assert len(rehearsal.requests("PUT", "networkInterfaces")) == 6
