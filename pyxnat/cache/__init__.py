"""The cache: what a login was told and given, on disk, whole, for all processes of its owner.

``<cachedir>/<server>/<login>/`` holds ``answers/`` (listings, items, searches), ``files/`` (downloaded files under their real names), ``ledger/``
(what is known of each file), ``stamp`` (the mark of the last write) and ``looked`` (whose time is that of the last look at its size). All of it is
written by renaming complete files, so that any number of processes can use it, on network file systems too, without a lock.
"""

from .accounts import account_of
from .answers import IN_MEMORY, AnswerStore, Body, Entry, LongBody, key_of
from .file_index import Page
from .files import FileStore, Incoming, is_proof
from .freshness import Moment, age_s, is_kept, is_write
from .store import MAX_BYTES, Cache, CacheEntry, Disk, Verified

__all__ = [
    'IN_MEMORY',
    'MAX_BYTES',
    'AnswerStore',
    'Body',
    'Cache',
    'CacheEntry',
    'Disk',
    'Entry',
    'FileStore',
    'Incoming',
    'LongBody',
    'Moment',
    'Page',
    'Verified',
    'account_of',
    'age_s',
    'is_kept',
    'is_proof',
    'is_write',
    'key_of',
]
