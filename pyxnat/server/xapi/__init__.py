"""Handlers below ``/xapi``: what XNAT answers with JSON, for programs and its own pages."""
