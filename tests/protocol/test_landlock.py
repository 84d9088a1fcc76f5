"""Where what is to be hidden can be found."""

from pathlib import Path

import pytest

from scrapy_do.protocol.landlock import places_of

PLAIN = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
23 21 8:2 / /var rw - ext4 /dev/sda2 rw
"""


@pytest.mark.parametrize(
    ("more", "elsewhere"),
    [
        ("", set()),
        ("30 21 8:1 /var/data /mnt/copy rw - ext4 /dev/sda1 rw", set()),
        ("30 21 8:2 /other /mnt/copy rw - ext4 /dev/sda2 rw", set()),
        ("30 21 8:2 /data /mnt/copy rw shared:2 master:1 - ext4 /dev/sda2 rw", {"/mnt/copy"}),
        ("30 21 8:2 /data/jobs /mnt/jobs rw - ext4 /dev/sda2 rw", {"/mnt/jobs"}),
        ("30 21 8:3 / /var rw - ext4 /dev/sdb rw", set()),
        (r"30 21 8:2 / /mnt/a\040b rw - ext4 /dev/sda2 rw", {"/mnt/a b/data"}),
        (
            """\
30 23 8:3 /jobs /var/data/jobs rw - ext4 /dev/sdb rw
31 21 8:3 / /mnt/large rw - ext4 /dev/sdb rw""",
            {"/var/data/jobs", "/mnt/large/jobs"},
        ),
    ],
)
def test_what_is_mounted_twice(more: str, elsewhere: set[str]) -> None:
    """All places of a directory are found, by whatever mount they are reached, and no others."""
    found = places_of({Path("/var/data")}, f"{PLAIN}{more}\n")

    assert found == {Path("/var/data"), *map(Path, elsewhere)}


def test_a_root_that_is_no_mount() -> None:
    """Below a directory that was made the root of this process nothing is known of mounts."""
    assert places_of({Path("/data")}, "") == {Path("/data")}
