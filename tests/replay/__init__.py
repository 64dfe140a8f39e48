"""Replay recorded requests of a real XNAT against a server, and compare the responses.

``python -m tests.replay FILE...`` prints a report. The files are JSON lines, one exchange a line,
or one fact with its exchanges a line (``recorded/xnat-1.8.11`` of the reference). Without
``XNAT_REPLAY_URL`` the server is the embedded archive, new for each file.
"""
