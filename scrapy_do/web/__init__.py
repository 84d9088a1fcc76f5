"""How we speak HTTP: bounded bodies, origin rules, routing, errors to statuses, streams.

Nothing here knows a dialect or a use case: `site.make_site` mounts what it is handed.
"""
