"""Sphinx configuration."""

import sys
from pathlib import Path

from pyxnat.version import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = 'pyxnat'
author = 'the pyxnat developers'
copyright = '2026, the pyxnat developers'  # noqa: A001 - Sphinx's name
release = version = __version__
extensions = ['sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode', 'routes_page']
html_theme = 'alabaster'
exclude_patterns = ['_build']
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
napoleon_google_docstring = False
default_role = 'code'
suppress_warnings = [
    'ref.python'
]  # types of parameters in words, such as path and bytes, are names of fields, too
