"""Handlers below ``/xapi``, XNAT's JSON API."""
