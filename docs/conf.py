"""How Sphinx builds the manual: ``sphinx-build -W -n docs build/docs``, with the extra ``docs``."""

from importlib.metadata import version as installed

project = "fakescale"
copyright = "the fakescale authors"
version = release = installed("fakescale")
html_title = f"fakescale {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"

myst_heading_anchors = 3
myst_links_external_new_tab = True

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# Without a network the build finds no pages of other projects.
nitpick_ignore_regex = [
    ("py:class", r"(collections|contextlib|datetime|enum|hypothesis|os|werkzeug)\..*"),
    ("py:class", r"fakescale\.remote\._Helpers"),
    ("py:class", r"Adapter|Retry"),  # of requests and urllib3, which are not imported
]
