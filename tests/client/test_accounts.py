"""The commands about users and tokens, as the shell sees them; no daemon runs."""

import io
import json
from pathlib import Path

import pytest

from scrapy_do.client.errors import Exit
from tests.client.commanding import Ended, check_error, run
from tests.faults.owned import Opened, use
from tests.http_client import completed


class Shell:
    """Runs the commands on a data directory; `said` is what stands on their standard input."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: Path
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.data = data

    def __call__(self, *words: str, said: str = "") -> Ended:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(said))
        return run(self._capsys, *words, "--data-dir", str(self.data))


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Shell:
    return Shell(capsys, monkeypatch, tmp_path / "data")


def test_users_come_and_go(shell: Shell) -> None:
    """Users are added before there is a data directory, listed, changed and removed."""
    added = shell("user", "add", "ann", "--password-stdin", "--json", said="a long secret\n")
    listed = json.loads(shell("user", "list", "--json").out)
    changed = shell("user", "passwd", "ann", "--password-stdin", said="another secret\n")
    removed = shell("user", "rm", "ann", "--yes")

    assert json.loads(added.out) == {"user": "ann", "role": "admin", "projects": None}
    assert [(one["user"], one["role"], one["projects"]) for one in listed] == [
        ("ann", "admin", None)
    ]
    assert (changed.out, removed.out) == ("changed\tann\n", "removed\tann\n")
    assert shell("user", "list").out == ""


def test_a_token_is_shown_once(shell: Shell) -> None:
    """Creating prints the secret alone on standard output; only its digest is stored."""
    use(shell.data)
    made = shell("token", "create", "ci", "--role", "push", "-p", "quotesbot", "--expires", "90d")
    secret = made.out.strip()
    (listed,) = json.loads(shell("token", "list", "--json").out)

    assert secret.startswith("sd_")
    assert len(secret) > 40
    assert (listed["name"], listed["role"], listed["projects"]) == ("ci", "push", ["quotesbot"])
    assert listed["expires"] > listed["created"]
    assert not [path for path in shell.data.rglob("*.db*") if secret.encode() in path.read_bytes()]
    assert shell("token", "revoke", "ci", "--yes").out == "revoked\tci\n"
    assert shell("token", "list").out == ""


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["user", "add", "ann", "--password-stdin"], Exit.USAGE, "password: must not be empty"),
        (["user", "add", "ann"], Exit.USAGE, "nobody can be asked"),
        (["user", "passwd", "eve", "--password-stdin"], Exit.USAGE, "must not be empty"),
        (["user", "rm", "eve", "--yes"], Exit.NOT_FOUND, 'No such user: "eve"'),
        (["token", "revoke", "eve", "--yes"], Exit.NOT_FOUND, 'No such token: "eve"'),
        (["token", "create", "a:b", "--role", "run"], Exit.USAGE, "must begin with a letter"),
        (["token", "create", "--role", "admin", "-p", "1"], Exit.USAGE, "opens all projects"),
        (["token", "create", "--role", "run", "-p", "no"], Exit.NOT_FOUND, "Unknown project no"),
    ],
)
def test_what_cannot_be_done(shell: Shell, words: list[str], code: Exit, problem: str) -> None:
    """Each refusal names what is wrong, and a command that helps."""
    use(shell.data)
    ended = shell(*words)
    check_error(ended, code)
    assert problem in ended.error


def test_a_name_is_given_once(shell: Shell) -> None:
    """A second user or token of a name is refused; a revoked token's name is free again."""
    shell("token", "create", "ci", "--role", "run")
    check_error(shell("token", "create", "ci", "--role", "run"), Exit.FAILED)
    shell("token", "revoke", "ci", "--yes")
    assert shell("token", "create", "ci", "--role", "run").code == Exit.DONE


def test_each_change_leaves_a_line(shell: Shell) -> None:
    """The audit says who did what to whom, and nothing secret."""
    shell("user", "add", "ann", "--role", "run", "--password-stdin", said="a long secret\n")
    secret = shell("token", "create", "ci", "--role", "read").out.strip()
    shell("token", "revoke", "ci", "--yes")

    with Opened(shell.data) as store:
        lines = completed(store.audit.find(before=None, limit=10))
    assert [(line.action, line.subject, line.address) for line in lines] == [
        ("token revoke", "ci", ""),
        ("token create", "ci", ""),
        ("user add", "ann", ""),
    ]
    assert all(line.principal.endswith("(command)") for line in lines)
    assert secret not in repr(lines)


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"),
        ("user", "rm", "ann", "--yes"),
        ("token", "list"),
        ("token", "revoke", "x", "--yes"),
    ],
)
@pytest.mark.parametrize("is_made", [True, False])
def test_where_nothing_is_nothing_is_made(shell: Shell, words: list[str], *, is_made: bool) -> None:
    """A slip in the name of the data directory makes none there."""
    if is_made:
        shell.data.mkdir()
    ended = shell(*words)

    check_error(ended, Exit.NOT_FOUND)
    assert "no daemon has kept anything there yet" in ended.error
    assert ended.hint == f"scrapy-do user add NAME --data-dir {shell.data}"
    assert not shell.data.exists() or not list(shell.data.iterdir())
