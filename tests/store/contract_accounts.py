"""What every store keeps of users, tokens and the audit, and what it hides from whom."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from scrapy_do.core.accounts import Accounts, AuditLine
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.sight import seen_by
from scrapy_do.errors import AccountNotFound, NameTaken, NotPermitted
from scrapy_do.store.store import Store
from tests.factories import at, request, token, user
from tests.store.values import Run, new, version


def line(subject: str = "ann", seconds: float = 0) -> AuditLine:
    return AuditLine(
        at=at(seconds), principal="root", address="", action="user add", subject=subject
    )


class AccountContract:
    """See `contract`."""

    def test_accounts(self, store: Store, run: Run) -> None:
        """They are as they were given, by name; one of a name at a time."""
        ann = user(role=Role.RUN, projects=frozenset({7, 53}))
        ci = token("sd_1", name="ci", expires_at=at(60))
        run(store.accounts.add_users((user("bob"), ann), line()))
        run(store.accounts.add_token(ci, line()))
        bob = next(one for one in run(store.accounts.all()).users if one.name == "bob")
        assert run(store.accounts.all()) == Accounts(users=(ann, bob), tokens=(ci,))
        assert bob.projects is None
        with pytest.raises(NameTaken):
            run(store.accounts.add_users((user("eve"), ann), line()))
        with pytest.raises(NameTaken):
            run(store.accounts.add_token(token("sd_2", name="ci"), line()))
        assert len(run(store.accounts.all()).users) == 2

    def test_changes_of_accounts(self, store: Store, run: Run) -> None:
        """A password changes with its moment; what is removed or revoked is gone, once."""
        run(store.accounts.add_users((user(),), line()))
        run(store.accounts.add_token(token("sd_1", name="ci"), line()))
        hashed = "$argon2id$another"
        run(store.accounts.set_password("ann", hashed, None, now=at(9), line=line()))
        (ann,) = run(store.accounts.all()).users
        assert (ann.password_hash, ann.digest_ha1, ann.changed_at) == (hashed, None, at(9))
        run(store.accounts.revoke_token("ci", now=at(9), line=line()))
        run(store.accounts.add_token(token("sd_2", name="ci"), line()))
        run(store.accounts.remove_user("ann", line()))
        found = run(store.accounts.all())
        assert (found.users, [one.digest for one in found.tokens]) == (
            (),
            [token("sd_2").digest],
        )
        for gone in (
            store.accounts.remove_user("ann", line("not there")),
            store.accounts.set_password("ann", hashed, None, now=at(9), line=line("not there")),
            store.accounts.revoke_token("other", now=at(9), line=line("not there")),
        ):
            with pytest.raises(AccountNotFound):
                run(gone)
        told = run(store.audit.find(before=None, limit=100))
        assert [one.subject for one in told] == ["ann"] * 6

    def test_audit(self, store: Store, run: Run) -> None:
        """Lines are as they were given, newest first, page by page; odd text is kept storable."""
        odd = replace(line("a\0b\ud800"), detail={"made": "x" * 1000}, address="2001:db8::1")
        run(store.audit.add([line("first"), odd]))
        second, first = run(store.audit.find(before=None, limit=5))
        assert (first.subject, first.at, first.principal) == ("first", at(0), "root")
        assert second.subject == "a\N{REPLACEMENT CHARACTER}b?"
        assert len(second.detail["made"]) == 501
        assert run(store.audit.find(before=second.number, limit=5)) == [first]

    def test_sight(self, store: Store, run: Run) -> None:
        """Who is given a project sees no other: not listed, not by identifier, not to change."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version("other")))
        mine, other = run(store.jobs.add_all([new(1), new(2, request=request(project="other"))]))
        some = Principal(name="some", role=Role.PUSH, projects=frozenset({mine.key.project}))

        def seen(coroutine: Coroutine[Any, Any, Any]) -> Any:
            with seen_by(some):
                return run(coroutine)

        assert [one.id for one in seen(store.jobs.find(JobFilter()))] == [mine.id]
        assert seen(store.jobs.count(JobFilter())) == 1
        assert [one.name for one in seen(store.projects.all())] == ["quotesbot"]
        for refused in (
            store.jobs.get(other.id),
            store.jobs.get_by_key(other.key),
            store.jobs.delete([other.id]),
            store.jobs.add(new(3, request=request(project="other"))),
            store.projects.get("other"),
            store.projects.get_by_id(other.key.project),
            store.projects.remove("other"),
            store.projects.put_version(version("fresh")),
        ):
            with pytest.raises(NotPermitted):
                seen(refused)
        assert len(run(store.jobs.find(JobFilter()))) == 2
        assert [one.name for one in run(store.projects.all())] == ["other", "quotesbot"]
