"""What the daemon does by itself: starts and settles crawls, fires schedules, removes what is old.

What a client asks for is not here but in `operations`; what should happen next is decided by
`core.plan`. Read `controller` first, then `scheduler`.
"""
