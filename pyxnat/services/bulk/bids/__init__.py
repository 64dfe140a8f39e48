"""Data sets of the Brain Imaging Data Structure (BIDS): downloads and derivatives.

``download(layout='bids')`` puts the scans of sessions at the places that BIDS has for them, and
``upload(layout='bids')`` sends a folder of derivatives to the sessions that it came from. Both are
arrangements of files for :mod:`pyxnat.services.bulk`, which transfers and verifies them.
"""

from .arrangement import BidsArrangement
from .derivatives import BidsGrouping

__all__ = ['BidsArrangement', 'BidsGrouping']
