"""The pages: see everything, do everything, in a browser, with or without script.

On `Operations` only: what a page needs and the waist lacks is added there, for all dialects. How
HTTP is spoken is not here but in `web`. Read `routes` first, then a page with its template:
`pages/overview.py` and `templates/overview.html`.
"""
