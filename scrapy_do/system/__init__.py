"""The daemon and the machine it runs on: clock, processes, sockets, log, service manager.

Nothing about jobs or schedules is here, and nothing about HTTP. Read `own_process` first, then
`clock`.
"""
