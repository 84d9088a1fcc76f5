"""Lines of crontabs, as orders."""

import pytest

from scrapy_do.core.crontab_line import CrontabLine, read_crontab_line
from scrapy_do.errors import BadWhen


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("30 3 * * 1-5 run-me", CrontabLine(when="cron 30 3 * * 1-5", command="run-me")),
        ("0\t5 * *  mon-fri\trun me", CrontabLine(when="cron 0 5 * * MON-FRI", command="run me")),
        ("0 5 * * *", CrontabLine(when="cron 0 5 * * *", command="")),
        ("  @Daily  run-me ", CrontabLine(when="every day at 00:00", command="run-me")),
        ("@hourly root x", CrontabLine(when="every hour at :00", command="root x")),
        (
            'TZ="Asia/Tokyo" @weekly x',
            CrontabLine(when="cron 0 0 * * 0", command="x", zone="Asia/Tokyo"),
        ),
        (
            "*/5 * * * * cd /a && /bin/scrapy crawl x 2>&1 | logger",
            CrontabLine(
                when="cron */5 * * * *",
                command="cd /a && /bin/scrapy crawl x 2>&1 | logger",
                spider="x",
            ),
        ),
        (
            "1 2 3 4 5 scrapy crawl -a a=1 -ab=2=3 -s LOG_LEVEL=INFO -o x.json 'my books' >> log",
            CrontabLine(
                when="cron 1 2 3 4 5",
                command="scrapy crawl -a a=1 -ab=2=3 -s LOG_LEVEL=INFO -o x.json 'my books' >> log",
                spider="my books",
                arguments={"a": "1", "b": "2=3"},
                settings={"LOG_LEVEL": "INFO"},
            ),
        ),
        ("0 5 * * * echo 'open", CrontabLine(when="cron 0 5 * * *", command="echo 'open")),
    ],
)
def test_a_line(line: str, read: CrontabLine) -> None:
    """The time, the zone, and what `scrapy crawl` is given."""
    assert read_crontab_line(line) == read


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the line is empty or a comment"),
        ("# 0 5 * * * x", "the line is empty or a comment"),
        ("MAILTO=me", "the line sets variables only"),
        ("@reboot x", "'@reboot' is no time that comes again"),
        ("5 * *", "five fields are needed"),
        ("61 * * * * x", "the first five fields are no time"),
        ("every day at 12:30", "the first five fields are no time"),
    ],
)
def test_what_is_no_line(line: str, said: str) -> None:
    """It is refused with what is wrong and an example."""
    with pytest.raises(BadWhen) as refused:
        read_crontab_line(line)
    assert said in str(refused.value)
