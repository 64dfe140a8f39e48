"""HTTP: connections, sessions, requests, bodies, downloads."""

from .on_first_use import defer

defer('httplib2', 'auth')
