"""Sphinx configuration."""

import sys
from pathlib import Path

from pyxnat.version import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = 'pyxnat'
author = 'the pyxnat developers'
copyright = '2026, the pyxnat developers'  # noqa: A001 - Sphinx's name
release = version = __version__
extensions = [
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'routes_page',
]
exclude_patterns = ['_build', '_templates']
templates_path = ['_templates']
default_role = 'code'
suppress_warnings = [
    'ref.python'
]  # types of parameters in words, such as path and bytes, are names of fields, too

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autosummary_ignore_module_all = False
autosummary_imported_members = True
maximum_signature_line_length = 88
napoleon_google_docstring = False
toc_object_entries_show_parents = 'hide'

# The reference has a page for each module and class, some hundreds. This theme shows only the
# section of a page in its side bar (furo would repeat the whole table of contents on each page),
# and readers know it from NumPy and pandas. All its files are its own: it reads well offline.
html_theme = 'pydata_sphinx_theme'
html_title = f'pyxnat {version}'
html_static_path = ['_static']
html_css_files = ['pyxnat.css']
html_show_sourcelink = False
html_theme_options = {
    'navbar_align': 'left',
    'header_links_before_dropdown': 6,
    'show_toc_level': 2,
    'show_nav_level': 1,
    'navigation_depth': 3,
    'navigation_with_keys': False,
    'footer_start': ['copyright'],
    'footer_end': [],
    'secondary_sidebar_items': ['page-toc'],
}
