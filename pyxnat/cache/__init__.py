"""On-disk cache of a login's responses and files, shared by processes.

``<cachedir>/<server>/<login>/`` holds ``answers/`` (listings, items, searches), ``files/``
(downloaded files with their real names), ``ledger/`` (one record per file), ``stamp`` (the write
marker) and ``looked`` (its modification time is that of the last size check). Every file is written
whole and renamed into place, so any number of processes can share the cache without locks, on
network file systems too.
"""

from .accounts import account_of
from .answers import IN_MEMORY, AnswerStore, Body, Entry, LongBody, key_of
from .file_index import FileRecord
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
    'FileRecord',
    'FileStore',
    'Incoming',
    'LongBody',
    'Moment',
    'Verified',
    'account_of',
    'age_s',
    'is_kept',
    'is_proof',
    'is_write',
    'key_of',
]
