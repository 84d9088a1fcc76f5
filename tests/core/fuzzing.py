"""Random texts that are almost specifications: what people mistype, and what nobody would type."""

import random
import string

WORDS = (
    *("every", "now", "cron", "at", "to", "AT", "Every", "-1", "0", "1", "2", "3", "99999", "1e3"),
    *("second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks"),
    *("monday", "SUNDAY", "mondays", "12:30", ":30", "30:15", "24:00", "12:30:45", "2.5", "+1"),
    *("*", "*/5", "1-5", "mon-fri", "L", "5#2", "5L", "LW", "0,30", "2026-12-24", "18:00"),
    *("9" * 30, "0002-01-01", "9999-12-31", "00:00", "2026-02-30", "L/2", "1#5", "*/29", "29"),
)
FORMS = (
    *("every 2 hours", "every day at 12:30", "every 2 to 3 hours", "every monday at 12:30"),
    *("every hour at :30", "cron 0 5 * * 1-5", "cron */5 0 5 * * MON", "at 2026-12-24 18:00"),
    *("cron 0 0 29 2 */7", "cron 0 0 LW * */7", "cron " + "1," * 80 + "1 1 1 1 1"),
)
CRON_CHARACTERS = "0123456789*/-,LW#"
ANY = string.printable + "äß٣\u2028\x00\ud800"


def random_text(rng: random.Random) -> str:
    """Return a text: words in any order, a right one with faults, a cron expression, noise."""
    kind = rng.random()
    if kind < 0.4:
        return " ".join(rng.choices(WORDS, k=rng.randrange(9)))
    if kind < 0.7:
        return _with_faults(rng, rng.choice(FORMS))
    if kind < 0.9:
        return " ".join(["cron", *(_field(rng) for _ in range(rng.choice((4, 5, 5, 5, 6, 6, 7))))])
    return "".join(rng.choices(ANY, k=rng.randrange(230)))


def _field(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(("*", "0", "1", "*/2", "*/31", "1-5", "L", "LW", "5#5", "29", "30", "2"))
    return "".join(rng.choices(CRON_CHARACTERS, k=rng.randrange(1, 12)))


def _with_faults(rng: random.Random, text: str) -> str:
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(text) + 1)
        cut = rng.randrange(3)
        text = text[:place] + rng.choice(("", rng.choice(ANY), " ")) + text[place + cut :]
    return text
