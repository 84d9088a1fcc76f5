"""How Sphinx makes the site of the documentation: `make docs`."""

from scrapy_do import __version__

project = "Scrapy Do"
author = "the authors of Scrapy Do"
release = version = __version__

extensions = ["myst_parser"]
exclude_patterns = ["man"]
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Scrapy Do {release}"
html_copy_source = False
html_show_copyright = False
