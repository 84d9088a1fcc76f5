"""THE table: who may ask for what, route by route, and what of it the audit tells.

A line is method, pattern, the least role, and the name that the audit has for it, `-` for none:
what only looks, and what crawls write while they run. Behind `?` stands the argument with which
a GET changes something, as clients of Scrapy Cloud do it. A dialect's route without a line is for
administrators only, and a test fails. Which projects a principal opens is no matter of routes: see
`core/sight.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scrapy_do.core.principal import Role

_TABLE = """
GET    / read -
GET    /status.json read -
POST   /push-project.json push push
GET    /list-projects.json read -
GET    /list-spiders.json read -
GET    /list-versions.json read -
POST   /activate-version.json push activate-version
POST   /remove-version.json push remove-version
POST   /remove-project.json push remove-project
POST   /schedule-job.json run schedule
GET    /list-jobs.json read -
GET    /job.json read -
POST   /cancel-job.json run cancel
POST   /retry-job.json run retry
POST   /delete-job.json run delete-job
GET    /get-log/data/<name> read -
GET    /get-log read -
GET    /get-items/data/<name> read -
GET    /job-files.json read -
GET    /get-file/data/<job>/<path:path> read -
GET    /list-schedules.json read -
GET    /list-schedule-history.json read -
GET    /preview-schedule.json read -
POST   /update-schedule.json run update-schedule
POST   /pause-schedule.json run pause-schedule
POST   /resume-schedule.json run resume-schedule
POST   /run-schedule.json run run-schedule
POST   /backfill-schedule.json run backfill-schedule
GET    /openapi.json read -
POST   /api/run.json run schedule
POST   /api/schedule.json run schedule
GET    /api/jobs/list.json read -
GET    /api/jobs/list.jl read -
GET    /api/jobs/count.json read -
POST   /api/jobs/update.json run -
POST   /api/jobs/delete.json run delete-job
POST   /api/jobs/stop.json run cancel
GET    /api/spiders/list.json read -
GET    /api/scrapyd/listprojects.json read -
GET    /api/items.jl read -
GET    /api/items.json read -
GET    /api/items.csv read -
GET    /api/log.jl read -
GET    /api/log.json read -
GET    /api/log.txt read -
POST   /api/reports/add.json run -
POST   /api/scrapyd/addversion.json push push
POST   /api/eggs/<path:what> push push
GET    /api/eggs/<path:what> read -
GET    /api/v2/users/me read -
GET    /api/v2/projects/<int:project>/spiders/<int:spider> read -
PATCH  /api/v2/projects/<int:project>/spiders/<int:spider>/tags run -
POST   /jobq/<int:project>/push run schedule
POST   /jobq/<int:project>/startjob run -
POST   /jobq/<int:project>/update run -
POST   /jobq/<int:project>/cancel run cancel
POST   /jobq/<int:project>/<int:spider>/<int:number>/cancel run cancel
GET    /jobq/<int:project>/count read -
GET    /jobq/<int:project>/list read -
GET    /jobq/<int:project>/jobsummary read -
GET    /jobq/<int:project>/summary read -
GET    /jobq/<int:project>/summary/<queue> read -
GET    /jobq/<int:project>/<int:spider>/summary read -
GET    /jobq/<int:project>/<int:spider>/summary/<queue> read -
GET    /jobs/<int:project> read -
GET    /jobs/<int:project>/<int:spider> read -
GET    /jobs/<int:project>/<int:spider>/<int:number> read -
POST   /jobs/<int:project>/<int:spider>/<int:number> run -
DELETE /jobs/<int:project>/<int:spider>/<int:number> run delete-job
GET    /jobs/<int:project>/<int:spider>/<int:number>/<path:field> read -
POST   /jobs/<int:project>/<int:spider>/<int:number>/<path:field> run -
DELETE /jobs/<int:project>/<int:spider>/<int:number>/<path:field> run -
GET    /ids/<int:project>/spider/<path:name> read name-spider?create
GET    /spiders/<int:project>/lastjobsummary read -
GET    /spiders/<int:project>/<int:spider>/lastjobsummary read -
GET    /projects/jobsummaries read -
GET    /projects/<int:project>/jobsummary read -
GET    /projects/<int:project>/settings read -
POST   /projects/<int:project>/settings push change-settings
GET    /projects/<int:project>/settings/<path:name> read -
DELETE /projects/<int:project>/settings/<path:name> push change-settings
GET    /activity/projects read -
GET    /activity/<int:project> read -
POST   /activity/<int:project> run -
POST   /botgroups/<name>/max_running admin -
DELETE /botgroups/<name> admin -
GET    /system/ts read -
GET    /items/<int:project> read -
GET    /items/<int:project>/<int:spider> read -
GET    /items/<int:project>/<int:spider>/<int:number> read -
POST   /items/<int:project>/<int:spider>/<int:number> run -
GET    /items/<int:project>/<int:spider>/<int:number>/stats read -
GET    /items/<int:project>/<int:spider>/<int:number>/<int:index> read -
GET    /items/<int:project>/<int:spider>/<int:number>/<int:index>/<path:field> read -
GET    /requests/<int:project> read -
GET    /requests/<int:project>/<int:spider> read -
GET    /requests/<int:project>/<int:spider>/<int:number> read -
POST   /requests/<int:project>/<int:spider>/<int:number> run -
GET    /requests/<int:project>/<int:spider>/<int:number>/stats read -
GET    /requests/<int:project>/<int:spider>/<int:number>/<int:index> read -
GET    /requests/<int:project>/<int:spider>/<int:number>/<int:index>/<path:field> read -
GET    /logs/<int:project> read -
GET    /logs/<int:project>/<int:spider> read -
GET    /logs/<int:project>/<int:spider>/<int:number> read -
POST   /logs/<int:project>/<int:spider>/<int:number> run -
GET    /logs/<int:project>/<int:spider>/<int:number>/stats read -
GET    /logs/<int:project>/<int:spider>/<int:number>/<int:index> read -
GET    /logs/<int:project>/<int:spider>/<int:number>/<int:index>/<path:field> read -
GET    /samples/<int:project> read -
GET    /samples/<int:project>/<int:spider> read -
GET    /samples/<int:project>/<int:spider>/<int:number> read -
POST   /samples/<int:project>/<int:spider>/<int:number> run -
GET    /samples/<int:project>/<int:spider>/<int:number>/<int:index> read -
GET    /samples/<int:project>/<int:spider>/<int:number>/<int:index>/<path:field> read -
GET    /collections/<int:project>/list read -
POST   /collections/<int:project>/delete run remove-collection
POST   /collections/<int:project>/rename run -
GET    /collections/<int:project>/<kind>/<name> read -
POST   /collections/<int:project>/<kind>/<name> run -
DELETE /collections/<int:project>/<kind>/<name> run remove-collection
GET    /collections/<int:project>/<kind>/<name>/count read -
GET    /collections/<int:project>/<kind>/<name>/scan read -
POST   /collections/<int:project>/<kind>/<name>/deleted run -
GET    /collections/<int:project>/<kind>/<name>/<path:key> read -
POST   /collections/<int:project>/<kind>/<name>/<path:key> run -
DELETE /collections/<int:project>/<kind>/<name>/<path:key> run -
GET    /hcf/<int:project>/list read -
GET    /hcf/<int:project>/<frontier>/list read -
POST   /hcf/<int:project>/<frontier>/s/<slot> run -
DELETE /hcf/<int:project>/<frontier>/s/<slot> run remove-frontier
GET    /hcf/<int:project>/<frontier>/s/<slot>/q read -
GET    /hcf/<int:project>/<frontier>/s/<slot>/q/count read -
POST   /hcf/<int:project>/<frontier>/s/<slot>/q/deleted run -
GET    /hcf/<int:project>/<frontier>/s/<slot>/f read -
GET    /ui read -
GET    /ui/ read -
GET    /ui/static/<name> read -
GET    /ui/docs read -
GET    /ui/docs/<path:name> read -
GET    /ui/schedules read -
GET    /ui/schedules.json read -
GET    /ui/schedules.csv read -
POST   /ui/schedules run schedule
GET    /ui/schedules/new read -
GET    /ui/schedules/preview read -
GET    /ui/schedules/<name> read -
POST   /ui/schedules/<name> run update-schedule
GET    /ui/schedules/<name>/history.json read -
GET    /ui/schedules/<name>/history.csv read -
POST   /ui/schedules/<name>/pause run pause-schedule
POST   /ui/schedules/<name>/resume run resume-schedule
POST   /ui/schedules/<name>/run run run-schedule
GET    /ui/schedules/<name>/delete read -
POST   /ui/schedules/<name>/delete run cancel
GET    /ui/jobs read -
GET    /ui/jobs.json read -
GET    /ui/jobs.csv read -
GET    /ui/jobs/bulk read -
POST   /ui/jobs/bulk run bulk
GET    /ui/jobs/<job> read -
GET    /ui/jobs/<job>/log.text read -
GET    /ui/jobs/<job>/log.jsonl read -
GET    /ui/jobs/<job>/items read -
GET    /ui/jobs/<job>/requests read -
GET    /ui/jobs/<job>/stats read -
GET    /ui/jobs/<job>/arguments read -
GET    /ui/jobs/<job>/runs read -
GET    /ui/jobs/<job>/files read -
GET    /ui/jobs/<job>/now read -
GET    /ui/jobs/<job>/items.json read -
GET    /ui/jobs/<job>/items.csv read -
GET    /ui/jobs/<job>/items.jsonl read -
GET    /ui/jobs/<job>/stats.json read -
GET    /ui/events read -
GET    /ui/jobs/<job>/events read -
GET    /ui/jobs/<job>/cancel read -
POST   /ui/jobs/<job>/cancel run cancel
POST   /ui/jobs/<job>/again run retry
GET    /ui/jobs/<job>/delete read -
POST   /ui/jobs/<job>/delete run delete-job
GET    /ui/system admin -
GET    /ui/system/options.json admin -
GET    /ui/system/options.csv admin -
GET    /ui/audit admin -
GET    /ui/audit.json admin -
GET    /ui/audit.csv admin -
GET    /ui/api read -
GET    /ui/compare read -
GET    /ui/login read -
POST   /ui/login read login
POST   /ui/logout read logout
GET    /ui/projects read -
GET    /ui/projects.json read -
GET    /ui/projects.csv read -
GET    /ui/projects/<name> read -
POST   /ui/projects/<name>/activate push activate-version
POST   /ui/projects/<name>/remove-version push remove-version
POST   /ui/projects/<name>/remove push remove-project
GET    /ui/projects/<name>/spiders.json read -
GET    /ui/projects/<name>/spiders.csv read -
GET    /ui/projects/<name>/versions.json read -
GET    /ui/projects/<name>/versions.csv read -
GET    /ui/projects/<name>/spiders/<path:spider> read -
GET    /ui/spider read -
POST   /ui/spider/compare run -
GET    /ui/spider-runs.json read -
GET    /ui/spider-runs.csv read -
GET    /ui/run read -
POST   /ui/run run schedule
GET    /ui/push read -
POST   /ui/push push push
GET    /ui/pushes/<report> read -
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What a route needs. `deed` is what the audit calls it, None where it tells nothing.

    `changes_with` is the argument that makes a GET change something.
    """

    role: Role
    deed: str | None = None
    changes_with: str | None = None


def _read(table: str) -> Mapping[str, Permit]:
    permits = {}
    for line in table.split("\n")[1:-1]:
        method, pattern, role, deed = line.split()
        deed, _, argument = deed.partition("?")
        permits[f"{method} {pattern}"] = Permit(
            role=Role[role.upper()],
            deed=None if deed == "-" else deed,
            changes_with=argument or None,
        )
    return MappingProxyType(permits)


PERMITS = _read(_TABLE)
"""The lines by method and pattern, as routers name their routes."""

UNKNOWN = Permit(role=Role.ADMIN)
"""Of a route that has no line."""
