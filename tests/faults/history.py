"""Checks a history: every acknowledged call is explained by what is found afterwards.

Three witnesses that know nothing of each other: the log of calls (who asked for what, and
was it acknowledged), the daemon's own jobs, and the marks that the spiders wrote
themselves. `History.faults` compares them and says in sentences what cannot be.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KILLED = "killed by signal 9"
HOLDER_DIED = "killed together with the process that held it"

ENDINGS = {
    "finish": ("SUCCESSFUL", "finished"),
    "exit": ("FAILED", "exit status 3"),
    "crash": ("FAILED", "killed by signal 11"),
}
"""How a job ends that nobody disturbs, by the spider's argument `end`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line of a spider: `word` is start, end or closed:REASON; `run` is JOB.ATTEMPT."""

    word: str
    run: str

    @property
    def job(self) -> str:
        return self.run.rpartition(".")[0]


def read_marks(file: Path) -> list[Mark]:
    """Return the marks in the order in which they were written."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Mark(word=line.split()[0], run=line.split()[1]) for line in lines]


@dataclass(slots=True, kw_only=True)
class Asked:
    """A call for a job: what it should do, and what we then did to it.

    `id` is None while no answer has come; `refused` is the answer that was a refusal.
    `stops` counts plain stops of the daemon while the job was unfinished, each of which may
    have interrupted a run of it.
    """

    token: str
    end: str = "finish"
    items: int = 3
    id: str | None = None
    refused: tuple[int, str] | None = None
    crawl_killed: bool = False
    holder_killed: bool = False
    cancel: str | None = None
    stops: int = 0


@dataclass(slots=True, kw_only=True)
class History:
    """All that was asked, in order; `pushed` says of each version whether it was acknowledged."""

    asked: dict[str, Asked] = field(default_factory=dict)
    pushed: dict[str, bool] = field(default_factory=dict)

    def ask(self, **what: Any) -> Asked:
        """Note a call before it is made."""
        asked = Asked(token=f"call-{len(self.asked)}", **what)
        self.asked[asked.token] = asked
        return asked

    def push_faults(self, versions: Sequence[str]) -> list[str]:
        """Say which pushes cannot be: `versions` are those that the project has."""
        found = [
            f"the acknowledged version {version} is lost"
            for version, is_acknowledged in self.pushed.items()
            if is_acknowledged and version not in versions
        ]
        doubled = {version for version in versions if versions.count(version) > 1}
        return [*found, *(f"the version {version} is there twice" for version in doubled)]

    def faults(
        self,
        jobs: Sequence[Mapping[str, Any]],
        marks: Sequence[Mark],
        outputs: Mapping[str, str],
    ) -> list[str]:
        """Say what cannot be: `jobs` as the API shows them, `outputs` by job."""
        by_token: dict[str, list[Mapping[str, Any]]] = {token: [] for token in self.asked}
        strangers: list[Mapping[str, Any]] = []
        for job in jobs:
            by_token.get(job["description"], strangers).append(job)
        found = [f"{job['identifier']}: nobody asked for it" for job in strangers]
        ids = {job["identifier"] for job in jobs}
        found += [f"{mark.run}: ran, but is no job" for mark in marks if mark.job not in ids]
        for token, asked in self.asked.items():
            found += [f"{token}: {fault}" for fault in _acceptance(asked, by_token[token])]
            for job in by_token[token]:
                own = [mark for mark in marks if mark.job == job["identifier"]]
                faults = _faults(asked, job, own, outputs.get(job["identifier"], ""))
                found += [f"{token} ({job['identifier']}): {fault}" for fault in faults]
        return found


def _acceptance(asked: Asked, jobs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Compare what was acknowledged with what is there."""
    ids = [job["identifier"] for job in jobs]
    if asked.id is not None and asked.id not in ids:
        yield f"the acknowledged job {asked.id} is lost"
    if asked.refused is not None and ids:
        yield f"it was refused ({asked.refused}), and is there"
    if len(ids) > 1:
        yield f"one call made {len(ids)} jobs"


def _faults(
    asked: Asked, job: Mapping[str, Any], marks: Sequence[Mark], output: str
) -> Iterator[str]:
    """Compare one job with what its spider wrote."""
    starts = Counter(mark.run for mark in marks if mark.word == "start")
    ends = sum(mark.word == "end" for mark in marks)
    if sum(starts.values()) > 1 + asked.stops:
        yield f"started {sum(starts.values())} times: {dict(starts)}"
    status, reason = job["status"], job["outcome-reason"]
    if (status, reason) not in _possible(asked, ended=bool(ends)):
        yield f"{status} ({reason}) after {[mark.word for mark in marks]}"
    if status == "SUCCESSFUL" and job["items"] != asked.items:
        yield f"{job['items']} items instead of {asked.items}"
    slack = int(asked.crawl_killed or asked.holder_killed)
    yield from _output_faults(sum(starts.values()), ends, output, slack)


def _possible(asked: Asked, *, ended: bool) -> set[tuple[str, str]]:
    """The outcomes that are true, given what was done to the job and what it did.

    A holder's death loses a crawl from when its spider opened, which is before its first mark.
    """
    if asked.cancel == "acknowledged":
        return {("CANCELED", "cancelled")}
    possible = {ENDINGS[asked.end]} if ended else set()
    if asked.crawl_killed:
        possible.add(("FAILED", KILLED))
    if asked.holder_killed:
        possible.add(("FAILED", HOLDER_DIED))
    if asked.cancel == "unanswered":
        possible.add(("CANCELED", "cancelled"))
    return possible


def _output_faults(starts: int, ends: int, output: str, slack: int) -> Iterator[str]:
    """What spiders print is kept whole: each mark is a line of it, the first one first.

    A spider that was killed may have had no time for the line of its last mark.
    """
    words = [line.split()[0] for line in output.splitlines() if line]
    missing = starts - words.count("start") + ends - words.count("end")
    if not 0 <= missing <= slack:
        yield f"the output was cut: {words}, but {starts} starts and {ends} ends"
    if words and words[0] != "start":
        yield f"the output begins with {words[0]!r}"
