"""A bad window file gives one sentence: where, what is wrong, what is allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maint.errors import WindowError
from maint.window import load_window

MARCH = Path(__file__).parents[2] / "windows" / "2025-03-23-monthly.yaml"
MISTAKES: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))
NAME = "windows/2025-03-23-monthly.yaml"


def refusal(path: Path) -> str:
    """Return the sentence that the file is refused with, having checked that it is one."""
    with pytest.raises(WindowError) as caught:
        load_window(path)
    assert caught.value.exit_code == 4
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?", ")"))
    return sentence


def line_of(path: Path, text: str) -> int:
    """Return the number of the first line in which `text` begins."""
    whole = path.read_text("utf-8")
    return whole.count("\n", 0, whole.index(text)) + 1


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line(edited: Callable[..., Path], mistake: str) -> None:
    slip = MISTAKES[mistake]
    path = edited((slip["replace"], slip["by"]))
    sentence = refusal(path)
    assert sentence.startswith(f"{NAME}:{line_of(path, slip['at'])}: ")
    assert slip["says"] in sentence


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("IC-Web4, IC-Web5]", "IC-Web4", "  sunday:\n", "not YAML: expected ',' or ']'"),
        ("title: Turn on notifications", "title: Turn on: all", "title: Turn on: all", "put the text into quotes"),
        ('"The maintenance window is finished."', '"Finished', '"Finished', "not YAML: found unexpected end"),
        ("  saturday:\n    phase", "  saturday:\n\tphase", "\tphase", "a tab stands here; YAML allows spaces only."),
        ("title: 2025", "title: \x01 2025", "\x01", "a character that cannot be typed stands here."),
        ("title: 2025", "title: !!python/name:os.system x", "!!", "is a YAML tag; write the plain value."),
        ("title: 2025", "title: &a b\nmore: *a #", "more: *a", "'*a' is a YAML alias; write out what it stands for."),
        ("title: 2025", "title: x\n---\na: ", "---\na", "a second document begins here ('---')"),
        ("title: 2025-03-23 Monthly", "? [a, b]\n: c", "? [a", "a key must be a word."),
        ("title: 2025-03-23 Monthly", f"title: {'[' * 5000}", "#", "the lists and blocks are nested too deeply."),
    ],
    ids=["bracket", "colon", "quote", "tab", "control", "tag", "alias", "documents", "key", "depth"],
)
def test_not_yaml(edited: Callable[..., Path], old: str, new: str, at: str, said: str) -> None:
    path = edited((old, new))
    sentence = refusal(path)
    assert sentence.startswith(f"{NAME}:{line_of(path, at)}: ")
    assert said in sentence


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.yaml"
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb.write_text("\n".join(rows))
    assert "bomb.yaml:2: '*a0' is a YAML alias" in refusal(bomb)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", ":1: the file is empty; copy an older window and change it."),
        (b"# only a comment\n", ":1: the file is empty"),
        (b"- a\n- b\n", ":1: the file holds a list; allowed: 'key: value' lines."),
        (b"title: x\nzone: S\xe3o\n", ":2: the file is not UTF-8; save it as UTF-8."),
        ("title: x".encode("utf-16"), ":1: the file is not UTF-8"),
        (b"#" * 1_000_001, ":1: the file is larger than 1000000 bytes"),
        (b"title: x\n", ":1: the window has no 'date'; write it."),
    ],
)
def test_not_a_window_at_all(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "window.yaml"
    path.write_bytes(raw)
    assert said in refusal(path)


def test_a_file_that_does_not_exist_names_those_that_do(edited: Callable[..., Path], tmp_path: Path) -> None:
    folder = edited().parent
    assert refusal(folder / "2025-03-32-monthly.yaml") == (
        "there is no window file 'windows/2025-03-32-monthly.yaml'; "
        "did you mean '2025-03-23-monthly'? (allowed: 2025-03-23-monthly)."
    )
    assert refusal(folder) == "there is no window file 'windows'; allowed: 2025-03-23-monthly."
    assert refusal(tmp_path / "none" / "x.yaml").endswith("; there are no windows in none.")


def test_instead_of_makes_a_server_in_two_batches_legal(edited: Callable[..., Path]) -> None:
    window = load_window(edited(("[IC-Web6,", "[IC-Web5,"), ("relation: as_well", "relation: instead_of")))
    assert "IC-Web5" in window.batches["saturday"].servers
    assert "IC-Web5" in window.batches["sunday"].servers


def test_instead_of_says_which(edited: Callable[..., Path]) -> None:
    path = edited(("relation: as_well #", "relation: instead_of #"), ("    other: saturday\n", ""))
    assert "batch sunday is instead_of another and does not say which" in refusal(path)


SCRIPT = "    kind: manual\n    expected: 30 minutes\n"


@pytest.mark.parametrize("path", ["../x.sh", "/etc/passwd", "~/x.sh", "a/../../x.sh", "link.sh", '"a\\0b"', "none.sh"])
def test_a_path_stays_in_the_project_folder(edited: Callable[..., Path], tmp_path: Path, path: str) -> None:
    (tmp_path / "link.sh").symlink_to("/bin/sh")
    sentence = refusal(edited((SCRIPT, f"    kind: script\n    path: {path}\n")))
    assert "'path' of step C3 is '" in sentence
    assert "project folder" in sentence


def test_a_path_in_the_project_folder_is_fine(edited: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "upgrade.sh").touch()
    window = load_window(edited((SCRIPT, "    kind: script\n    path: upgrade.sh\n")))
    assert window.step("C3").kind == "script"


def test_what_a_file_holds_never_moves_the_terminals_cursor(edited: Callable[..., Path]) -> None:
    assert "\x1b" not in refusal(edited(("status: not doing", 'status: "\\e[2J"')))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_slip_of_the_hand_is_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever one line becomes, the file loads or is refused with a line, and never with a traceback."""
    rows = MARCH.read_text("utf-8").split("\n")
    number = data.draw(st.integers(0, len(rows) - 1))
    key = rows[number].partition(":")[0]
    junk = st.sampled_from(["", "[", "{}", "~", '"', "-1", "[[]]", "{a: b}", "|", "@", "0x10", ".inf", "P1", "- a"])
    rows[number] = data.draw(
        st.one_of(
            st.just("  " + rows[number]),
            st.just(rows[number][:-1]),
            st.just(""),
            junk.map(lambda value: f"{key}: {value}"),
            st.sampled_from(rows),
        )
    )
    path = tmp_path / MARCH.name
    path.write_text("\n".join(rows), "utf-8")
    try:
        load_window(path)
    except WindowError as error:
        assert f"{MARCH.name}:" in str(error)  # noqa: PT017 - a file that loads is as good
