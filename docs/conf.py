"""How sphinx makes the site: `tox run -e docs`, or `sphinx-build -W -n --keep-going -c docs . build/site`.

The source is the whole tree: so links between pages, READMEs and examples are the same here as on a code host.
"""

project = "Haconiwa"
author = "the authors of Haconiwa"
copyright = "the authors of Haconiwa"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/**.md", "plugins/*/README.md", "contrib/*/README.md"]
include_patterns += ["examples/*/README.md", "tests/vm/README.md"]
# What is named here is not even looked into.
exclude_patterns = [".*", "build", "dist", "docs/template", "**/__pycache__"]

# Headings are linked to by the names that code hosts give them.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = "Haconiwa"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
# The front page is docs/index.html; whoever opens the folder of the site is led there.
html_additional_pages = {"index": "front.html"}
html_copy_source = False
html_show_sphinx = False
