"""The file of users of Scrapy Do 0.5, with passwords in clear text: taken over once, then refused.

A start takes its users into the store and moves the file away. One that could not be moved may
stay unchanged. If it is changed the start is refused, lest somebody believe that the change counts.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from twisted.logger import Logger

from scrapy_do.core.accounts import AuditLine, User
from scrapy_do.core.principal import Role
from scrapy_do.errors import ConfigError
from scrapy_do.store.accounts import AccountStore
from scrapy_do.system.passwords import digest_secret, password_hash

_log = Logger(namespace="scrapy_do.accounts")


def taken_over(path: Path) -> Path:
    """Where a file of users is after its users were taken over; passwords are in it still."""
    return path.with_name(f"{path.name}.taken-over")


def take_over_users(
    accounts: AccountStore,
    path: Path,
    read: Callable[[Path], Mapping[str, str]],
    *,
    keeps_digest: bool,
) -> None:
    """Take users over, if that was not done before. Blocking: for a program that starts.

    Raises:
        ConfigError: the file cannot be read, or its users were taken over before.
    """
    if not path.exists() or not (users := read(path)):
        return
    digest = _digest(path)
    if accounts.taken_over_now() is not None:
        refuse_users(accounts, path, read)
        return
    now = datetime.now(UTC)
    there = {user.name for user in accounts.all_now().users}
    taken = tuple(
        User(
            name=name,
            password_hash=password_hash(password),
            digest_ha1=digest_secret(name, password) if keeps_digest else None,
            role=Role.ADMIN,
            created_at=now,
            created_by="auth-db",
            changed_at=now,
        )
        for name, password in users.items()
        if name not in there
    )
    line = AuditLine(
        at=now,
        principal="auth-db",
        address="",
        action="user add",
        subject=", ".join(user.name for user in taken),
    )
    accounts.take_over_now(taken, digest, line)
    moved = taken_over(path)
    try:
        path.rename(moved)
    except OSError as error:
        _log.warn(
            "the {count} users of {path} were taken over, and it is read no more; remove it, as it "
            "holds passwords in clear text, and could not be moved away: {error}",
            count=len(taken),
            path=str(path),
            error=error,
        )
    else:
        _log.warn(
            "the {count} users of {path} were taken over, and it is now {moved}: delete it, as it "
            "holds passwords in clear text. Users are changed with scrapy-do user",
            count=len(taken),
            path=str(path),
            moved=str(moved),
        )


def refuse_users(
    accounts: AccountStore, path: Path, read: Callable[[Path], Mapping[str, str]]
) -> None:
    """Refuse a file of users; one that could not be moved away is only warned of. Blocking.

    Raises:
        ConfigError: there is one.
    """
    if not path.exists() or not read(path):
        return
    taken = accounts.taken_over_now()
    if taken is None:
        raise ConfigError("web", "auth-db", f"the users of {path} are taken over at a start only")
    if taken == _digest(path) and not taken_over(path).exists():
        _log.warn("{path} is read no more, and holds passwords: remove it", path=str(path))
        return
    raise ConfigError(
        "web",
        "auth-db",
        f"{path} holds passwords in clear text and is read no more: its users were taken over "
        "before. Remove it, and change users with `scrapy-do user`",
    )


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
