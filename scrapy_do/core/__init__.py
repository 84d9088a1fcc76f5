"""The pure core: values, transitions, schedules and the planner.

No I/O, no clock, no Twisted: time and randomness come in as arguments, so that
everything in this room can be tested as a table.
"""
