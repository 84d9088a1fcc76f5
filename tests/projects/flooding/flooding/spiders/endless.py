"""Prints without end at its import, then fails."""

import sys

for _ in range(20_000):
    sys.stdout.write("x" * 1023 + "\n")
raise ValueError("enough")
