"""Who asks, and of whom: logging in to a daemon behind HTTPS, and being refused."""

import io
import json
from pathlib import Path

import pytest

from scrapy_do.client.errors import Exit
from tests.client.commanding import check_error, home, run
from tests.live.running import running
from tests.live.test_secure import TOKEN, certificate

pytestmark = pytest.mark.live


def test_login(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Token, user and authority are remembered in a private profile, until they are forgotten."""
    users = tmp_path / "auth.db"
    users.write_text("ann:secret\n")
    users.chmod(0o600)
    certificate(tmp_path, "localhost")
    options = {
        "SCRAPY_DO_WEB_AUTH": "on",
        "SCRAPY_DO_WEB_AUTH_DB": str(users),
        "SCRAPY_DO_WEB_TOKEN": TOKEN,
        "SCRAPY_DO_WEB_HTTPS": "on",
        "SCRAPY_DO_WEB_KEY": str(tmp_path / "key.pem"),
        "SCRAPY_DO_WEB_CERT": str(tmp_path / "cert.pem"),
    }
    monkeypatch.chdir(tmp_path)
    authority = str(tmp_path / "cert.pem")

    def said(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    with running(tmp_path, options=options) as daemon, home(monkeypatch, str(tmp_path)):
        url = f"https://localhost:{daemon.url.rsplit(':', 1)[1]}"
        untrusted = run(capsys, "status", "--url", url)
        check_error(untrusted, Exit.UNREACHABLE)
        assert untrusted.hint == f"scrapy-do login {url} --ca-file FILE"
        plain = run(capsys, "status", "--url", url.replace("https", "http"))
        check_error(plain, Exit.UNREACHABLE)
        asked = run(capsys, "login", url, "--ca-file", authority)
        check_error(asked, Exit.LOGIN)
        assert asked.hint == f"scrapy-do login {url} --ca-file {authority} --token-stdin"
        said("a-token-that-nobody-knows\n")
        wrong = run(capsys, "login", url, "--ca-file", authority, "--token-stdin")
        check_error(wrong, Exit.LOGIN)
        assert wrong.hint == f"scrapy-do login {url} --ca-file {authority} --token-stdin"
        assert run(capsys, "profile", "list", "--json").out == "[]\n"

        said(f"{TOKEN}\n")
        login = run(capsys, "login", url, "--ca-file", authority, "--token-stdin", "--json")
        told = {"profile": "default", "url": url, "user": "token"}
        assert (login.code, json.loads(login.out)) == (Exit.DONE, told), login
        assert run(capsys, "status").code == Exit.DONE
        assert TOKEN not in run(capsys, "config", "show", "--origin").out

        said("secret\n")
        words = ("login", url, "--username", "ann", "--password-stdin", "--profile", "ann")
        assert run(capsys, *words, "--ca-file", authority).code == Exit.DONE
        assert run(capsys, "projects", "--profile", "ann").code == Exit.DONE
        listed = json.loads(run(capsys, "profile", "list", "--json").out)
        assert [(one["profile"], one["current"], one["user"]) for one in listed] == [
            ("ann", True, "ann"),
            ("default", False, "token"),
        ]
        path = tmp_path / ".config" / "scrapy-do" / "profiles.ini"
        assert path.stat().st_mode & 0o777 == 0o600
        assert run(capsys, "logout").code == Exit.DONE
        refused = run(capsys, "status")
        check_error(refused, Exit.LOGIN)
        assert refused.hint == f"scrapy-do login {url}"
        assert run(capsys, "profile", "use", "default").code == Exit.DONE
        assert run(capsys, "status").code == Exit.DONE
        monkeypatch.setenv("SCRAPY_DO_USERNAME", "ann")
        check_error(run(capsys, "status"), Exit.LOGIN)
        monkeypatch.setenv("SCRAPY_DO_PASSWORD", "secret")
        assert run(capsys, "status").code == Exit.DONE
