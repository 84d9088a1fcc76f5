"""The configuration: where values come from, and what is said of wrong ones."""

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from zoneinfo import TZPATH

import pytest

from scrapy_do.config import (
    Config,
    CrawlConfig,
    Endpoint,
    ProjectConfig,
    RetentionConfig,
    ScrapyDoConfig,
    WebConfig,
    load,
)
from scrapy_do.config.sections import SECTIONS, option_name, variable_name
from scrapy_do.config.template import conf_text
from scrapy_do.engine.policies import zone_of
from scrapy_do.errors import ConfigError
from tools.config_docs import CONF, DOCS, docs_text

TOKEN = "0123456789abcdefghij"

WriteFile = Callable[[str], Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> WriteFile:
    """Return a function that writes a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "scrapy-do.conf"
        path.write_text(text)
        return path

    return write


def test_without_file_and_environment_the_defaults_hold() -> None:
    """Nothing given means the declared defaults, with the machine's zone written down."""
    config = load(None, {})
    assert config.scrapy_do.timezone
    assert config == Config(scrapy_do=ScrapyDoConfig(timezone=config.scrapy_do.timezone))


def test_the_options_of_scrapy_do_0_5_keep_their_meaning(write: WriteFile, tmp_path: Path) -> None:
    """A file of version 0.5 is read; its web modules are reported and ignored."""
    users = tmp_path / "auth.db"
    users.write_text("alice:secret\n")
    words = "the first start takes its users over, and later ones refuse it"
    path = write(
        "[scrapy-do]\nproject-store = /srv/projects\njob-slots = 5\ncompleted-cap = 100\n"
        "[web]\ninterfaces = 127.0.0.1:7654, [::1]:7654\nhttps = off\nauth = on\n"
        f"auth-db = {users}\n"
        "[web-modules]\nstatus = scrapy_do.webservice.Status\n"
    )
    config = load(path, {"SCRAPY_DO_SCRAPY_DO_TIMEZONE": "Europe/Warsaw"})
    assert config == Config(
        scrapy_do=ScrapyDoConfig(
            project_store=Path("/srv/projects"),
            job_slots=5,
            completed_cap=100,
            timezone="Europe/Warsaw",
        ),
        web=WebConfig(
            interfaces=(
                Endpoint(host="127.0.0.1", port=7654),
                Endpoint(host="::1", port=7654),
            ),
            auth=True,
            auth_db=users,
        ),
        warnings=(
            "[web-modules] has no effect: end points are not configurable",
            f"[web] auth-db: {users} holds passwords in clear text; {words}",
        ),
    )


def test_units(write: WriteFile) -> None:
    """Durations and sizes have units; a plain number is seconds or bytes."""
    path = write(
        "[scrapy-do]\nmax-archive-size = 1024\ntimezone = UTC\n"
        "[crawls]\nstop-grace = 1.5\njob-timeout = 2h\nstall-timeout = 10 m\nspiders-timeout = 1d\n"
        "memory-limit = 512MB\nfile-size = 2GiB\n"
        "[retention]\nfinished-age = 2w\n"
    )
    assert load(path, {}) == Config(
        scrapy_do=ScrapyDoConfig(max_archive_size_bytes=1024, timezone="UTC"),
        crawls=CrawlConfig(
            stop_grace_s=1.5,
            job_timeout_s=7200.0,
            stall_timeout_s=600.0,
            spiders_timeout_s=86_400.0,
            memory_limit_bytes=512_000_000,
            file_size_bytes=2_147_483_648,
        ),
        retention=RetentionConfig(finished_age_s=1_209_600.0),
    )


def test_the_environment_goes_before_the_file(write: WriteFile) -> None:
    """A variable overrides the file; others that start alike but name no section do not matter."""
    path = write("[crawls]\nlauncher = fork\nproject-slots = 2\n")
    environ = {
        "SCRAPY_DO_CRAWLS_LAUNCHER": "spawn",
        "SCRAPY_DO_WEB_TOKEN": TOKEN,
        "SCRAPY_DO_WEB_AUTH": "on",
        "SCRAPY_DO_URL": "http://localhost:7654",
        "SCRAPY_DO_RUN": "b0",
    }
    config = load(path, environ)
    assert config.crawls == CrawlConfig(launcher="spawn", project_slots=2)
    assert config.web == WebConfig(auth=True, token=TOKEN)


def test_granted_variables_are_looked_up_at_the_start(write: WriteFile) -> None:
    """A name passes the daemon's own variable on, when there is one; NAME=VALUE sets one."""
    path = write(
        "[crawls]\nenvironment = HTTP_PROXY NOT_THERE REGION=eu\n  GREETING='good day'\n"
        "[project:quotesbot]\nenvironment = KEY=\nslots = 1\njob-timeout = 5m\n"
    )
    config = load(path, {"HTTP_PROXY": "http://proxy:3128", "HOME": "/root"})
    assert config.crawls.environment == {
        "HTTP_PROXY": "http://proxy:3128",
        "REGION": "eu",
        "GREETING": "good day",
    }
    assert config.projects == {
        "quotesbot": ProjectConfig(environment={"KEY": ""}, slots=1, job_timeout_s=300.0)
    }


def test_paths_are_absolute(write: WriteFile) -> None:
    """A relative path starts at the working directory, a tilde at the home directory."""
    config = load(write("[scrapy-do]\nproject-store = here\n[web]\nkey = ~/key\n"), {})
    assert config.scrapy_do.project_store == Path.cwd() / "here"
    assert config.web.key == Path.home() / "key"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[scrapydo]\njob-slots = 3\n",
            (
                "[scrapydo] job-slots: there is no such section; the sections are [scrapy-do], "
                "[web], [crawls], [retention] and [project:NAME]"
            ),
        ),
        (
            "[project:]\n",
            (
                "[project:] (empty): there is no such section; the sections are [scrapy-do], "
                "[web], [crawls], [retention] and [project:NAME]"
            ),
        ),
        (
            "[retention]\nage = 3\n",
            (
                "[retention] age: there is no such option (its value is '3'); the options are "
                "finished-age, finished-per-spider, job-files, "
                "job-files-size, versions-per-project, audit-age, trash-age"
            ),
        ),
        (
            "[scrapy-do]\njob-slots = many\n",
            "[scrapy-do] job-slots: 'many' must be a whole number from 1, such as 3",
        ),
        (
            "[scrapy-do]\njob-slots = 0\n",
            "[scrapy-do] job-slots: '0' must be a whole number from 1, such as 3",
        ),
        *(
            (
                f"[scrapy-do]\ntimezone = {name}\n",
                (
                    f"[scrapy-do] timezone: '{name}' must be the name of a time zone, such as "
                    "Europe/Warsaw"
                ),
            )
            for name in ("Europe/Nowhere", "../../etc/passwd")
        ),
        ("[web]\nhttps = maybe\n", "[web] https: 'maybe' must be on or off"),
        (
            "[web]\ninterfaces = 7654\n",
            (
                "[web] interfaces: '7654' must be addresses with ports, such as 127.0.0.1:7654, "
                "[::1]:7654"
            ),
        ),
        (
            "[web]\ninterfaces = example.org:80\n",
            (
                "[web] interfaces: 'example.org:80' must be addresses with ports, such as "
                "127.0.0.1:7654, [::1]:7654"
            ),
        ),
        (
            "[web]\ninterfaces = 127.0.0.1:65536\n",
            (
                "[web] interfaces: '127.0.0.1:65536' must be addresses with ports, such as "
                "127.0.0.1:7654, [::1]:7654"
            ),
        ),
        (
            "[web]\ninterfaces =\n",
            "[web] interfaces: '' must name at least one address, such as 127.0.0.1:7654",
        ),
        ("[web]\ntoken = short\n", "[web] token: *** must have at least 20 characters"),
        (
            f"[web]\ntoken = {TOKEN}\n",
            "[web] token: has no effect while auth = off; set auth = on",
        ),
        (
            "[crawls]\nlauncher = thread\n",
            "[crawls] launcher: 'thread' must be one of: fork, spawn",
        ),
        (
            "[crawls]\nstop-grace = soon\n",
            "[crawls] stop-grace: 'soon' must be a duration such as 90, 30s, 10m, 2h or 7d",
        ),
        (
            "[crawls]\nstop-grace = 5kB\n",
            "[crawls] stop-grace: '5kB' must be a duration such as 90, 30s, 10m, 2h or 7d",
        ),
        (
            "[crawls]\nreport-interval = 0\n",
            "[crawls] report-interval: '0' must be more than 0, such as 5s",
        ),
        (
            "[crawls]\nfile-size = 5m\n",
            "[crawls] file-size: '5m' must be a size such as 1048576, 512kB, 50MB or 1GiB",
        ),
        (
            "[crawls]\nenvironment = A-B=1\n",
            "[crawls] environment: *** must be variables such as HTTP_PROXY or REGION=eu",
        ),
        (
            "[crawls]\nenvironment = A='1\n",
            "[crawls] environment: *** must be quoted as in a shell (No closing quotation)",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(write: WriteFile, text: str, message: str) -> None:
    """The error names section, option, value, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        load(write(text), {})
    assert str(caught.value) == message


def test_a_variable_that_sets_nothing_is_refused() -> None:
    """A misspelt variable of one of our sections is an error, not silence."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"SCRAPY_DO_WEB_INTERFACE": "127.0.0.1:80"})
    expected = "[web] interface: there is no such option; SCRAPY_DO_WEB_INTERFACE sets nothing"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no section\n", "File contains no section headers."),
        ("[web]\nhttps = on\nhttps = off\n", "option 'https' in section 'web' already exists"),
        ("[web]\n[web]\n", "section 'web' already exists"),
    ],
)
def test_a_file_that_is_no_ini_file_is_refused(write: WriteFile, text: str, problem: str) -> None:
    """The error names the file and its fault."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, or one that is not text, is an error and not an empty file."""
    missing = tmp_path / "missing.conf"
    with pytest.raises(ConfigError) as caught:
        load(missing, {})
    assert str(caught.value) == f"[scrapy-do] --config: {missing}: No such file or directory"
    binary = tmp_path / "binary.conf"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't decode byte"):
        load(binary, {})


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("interfaces", "0.0.0.0:7654"),
        ("interfaces", "127.0.0.1:7654, 192.0.2.7:7654"),
        ("interfaces", "[::]:7654"),
        ("hosts", "crawls.example.org"),
    ],
)
def test_a_public_address_needs_authentication(write: WriteFile, option: str, text: str) -> None:
    """What other machines can reach is refused without authentication, with the way out."""
    with pytest.raises(ConfigError) as caught:
        load(write(f"[web]\n{option} = {text}\n"), {})
    message = str(caught.value)
    assert message.startswith(f"[web] {option}: {text.rsplit(', ', 1)[-1]} can be reached")
    for part in ("auth = on", "scrapy-do user add", "SCRAPY_DO_WEB_TOKEN"):
        assert part in message


def test_a_public_address_with_a_token_is_taken(write: WriteFile) -> None:
    """With authentication it may be public; without TLS there is a warning."""
    path = write(f"[web]\ninterfaces = 0.0.0.0:7654\nauth = on\ntoken = {TOKEN}\n")
    config = load(path, {})
    assert config.web.interfaces == (Endpoint(host="0.0.0.0", port=7654),)
    assert config.warnings == ("[web] https: is off, so credentials can be read on the way",)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_authentication(host: str) -> None:
    """Every loopback address is private."""
    assert Endpoint(host=host, port=1).is_loopback


def test_named_files_must_be_there(write: WriteFile, tmp_path: Path) -> None:
    """Keys and certificates that cannot be read are noticed at start, not at the first request."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    key.touch()
    with pytest.raises(ConfigError) as caught:
        load(write(f"[web]\nhttps = on\nkey = {key}\ncert = {cert}\n"), {})
    assert str(caught.value) == f"[web] cert: {cert} is not a file that can be read"


def test_secrets_are_masked(write: WriteFile) -> None:
    """What is printed at start, and what a traceback may show, holds no secret."""
    path = write(
        f"[scrapy-do]\ndatabase = postgresql+psycopg://me:{TOKEN}@db/jobs\n"
        f"[web]\nauth = on\ntoken = {TOKEN}\n[crawls]\nenvironment = KEY={TOKEN}\n"
        f"[project:bot]\nenvironment = KEY={TOKEN}\n[retention]\nfinished-age = 30d\n"
    )
    config = load(path, {"SCRAPY_DO_SCRAPY_DO_TIMEZONE": "UTC"})
    assert TOKEN not in f"{config.masked()} {config!r}"
    masked = config.masked()
    assert masked["web"] == {
        "interfaces": "127.0.0.1:7654",
        "hosts": "",
        "times": "relative",
        "connections": "512",
        "connections-per-address": "64",
        "reader-timeout": "0",
        "https": "off",
        "key": str(Path.cwd() / "scrapy-do.key"),
        "cert": str(Path.cwd() / "scrapy-do.crt"),
        "chain": "",
        "auth": "on",
        "auth-db": str(Path.cwd() / "auth.db"),
        "auth-digest": "off",
        "api-keys": str(Path.cwd() / "api-keys"),
        "token": "***",
    }
    assert masked["retention"]["finished-age"] == "2592000"
    assert masked["project:bot"]["environment"] == "***"


def test_what_is_masked_can_be_read_again(write: WriteFile) -> None:
    """The printed values mean what the configuration means."""
    config = load(None, {"SCRAPY_DO_SCRAPY_DO_TIMEZONE": "UTC"})
    lines = [
        f"[{section}]\n" + "".join(f"{name} = {text}\n" for name, text in options.items())
        for section, options in config.masked().items()
    ]
    assert load(write("".join(lines)), {}) == config


def test_every_option_in_the_example_stands_at_its_default(write: WriteFile) -> None:
    """The shipped file says what the code does, option by option, and changes nothing."""
    text = CONF.read_text()
    assert conf_text() == text
    active = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if " = " in line or "]" in line
    )
    uncommented = "\n".join(line for line in active.splitlines() if not line.startswith("#"))
    config = load(write(uncommented), {})
    assert load(None, {}) == replace(config, projects={})
    assert config.projects == {"NAME": ProjectConfig()}


def test_every_option_is_read_by_somebody() -> None:
    """No option is declared and then ignored."""
    package = CONF.parent.parent / "scrapy_do"
    readers = "".join(
        path.read_text() for path in package.rglob("*.py") if path.parent.name != "config"
    )
    read = set(re.findall(r"\.(\w+)\b", readers))
    declared = {one.name for kind in (*SECTIONS.values(), ProjectConfig) for one in fields(kind)}
    assert declared - read == set()


def test_the_documentation_of_the_options_is_current() -> None:
    """docs/configuration.md is what the declarations say."""
    assert docs_text() == DOCS.read_text()


def test_every_option_has_a_variable_of_its_own() -> None:
    """No two options share an environment variable."""
    variables = [
        variable_name(name, one) for name, kind in SECTIONS.items() for one in fields(kind)
    ]
    assert sorted(set(variables)) == sorted(variables)
    assert option_name(fields(CrawlConfig)[1]) == "stop-grace"


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Warsaw", "Europe/Warsaw"),
        (":Europe/Warsaw", "Europe/Warsaw"),
        ("EST5EDT", "EST5EDT"),
        ("CET", "Europe/Brussels"),
        ("MST", "America/Phoenix"),
        ("UTC", "UTC"),
        ("UTC0", "UTC"),
        ("", "UTC"),
        ("EST5", "Etc/GMT+5"),
        ("<+03>-3", "Etc/GMT-3"),
        ("JST-9", "Etc/GMT-9"),
        ("GMT+00:00", "UTC"),
        ("posix/Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_zone_of_the_environment(text: str, zone: str) -> None:
    """The zone of orders that name none is the one that TZ names, in any form of it."""
    assert load(None, {"TZ": text}).scrapy_do.timezone == zone
    assert zone_of(load(None, {"TZ": text})) == zone


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bogus",
            "EST5EDT,M3.2.0,M11.1.0",
            "IST-5:30",
            "XXX99",
            "/no/such/file",
            ":/etc/hostname",
        ),
        *("right/Europe/Berlin", ":posixrules", "Factory"),
    ],
)
def test_zone_without_a_name(text: str) -> None:
    """A TZ that names no zone is refused, with what to set; the option goes before it."""
    with pytest.raises(ConfigError) as caught:
        load(None, {"TZ": text})
    assert str(caught.value) == (
        f"[scrapy-do] timezone: is not set, and TZ={text!r} in the environment names no time zone; "
        "set this option, or TZ, to a name such as Europe/Warsaw"
    )
    given = {"TZ": text, "SCRAPY_DO_SCRAPY_DO_TIMEZONE": "Asia/Tokyo"}
    assert load(None, given).scrapy_do.timezone == "Asia/Tokyo"


def test_zone_in_a_file(tmp_path: Path) -> None:
    """A file is the zone that it is in the zone database: by its place, or by its content."""
    place = next(Path(root, "Asia/Tokyo") for root in TZPATH if Path(root, "Asia/Tokyo").exists())
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(place)
    copy.write_bytes(place.read_bytes())
    found = [load(None, {"TZ": f"{name}"}).scrapy_do.timezone for name in (place, link, copy)]
    assert ["Asia/Tokyo"] * 3 == found


@pytest.mark.parametrize("text", [":/etc/localtime", "localtime"])
def test_zone_of_the_machine(text: str) -> None:
    """Where TZ says to look into /etc, the zone is the one of the machine."""
    of_machine = load(None, {}).scrapy_do.timezone
    assert of_machine == load(None, {"TZ": text}).scrapy_do.timezone
