"""The Scrapy Do dialect: what `curl`, `jq` and scrapy-do-cl speak.

`routes` first: its docstring lists the calls. Then `shapes`, the JSON of the answers.
"""
