"""The files of the element that a Jupyter server on XNAT was started for.

::

    %run jupyter_here.py            # in a notebook
    python jupyter_here.py          # in a terminal of the same server

Prints how many files the element has, and how many of them and of their bytes are on the mount of
the archive, where they are read without a download. Elsewhere set XNAT_HOST, XNAT_USER, XNAT_PASS,
XNAT_XSI_TYPE, XNAT_ITEM_ID and XNAT_DATA.
"""

import sys

import pyxnat


def main() -> int:
    """Find the element, and look for each of its files on the mount."""
    element = pyxnat.here()
    mount = element.host.transfer.mount
    sizes, mounted = [], []
    for file in element.host.select(f'{element.uri}//files'):
        size = int(file.size() or 0)
        sizes.append(size)
        if mount is not None and mount.find_element(file) is not None:
            mounted.append(size)
    print(f'{element.label()}: {len(sizes)} files, {sum(sizes):,} bytes')
    print(f'on the mount: {len(mounted)} files, {sum(mounted):,} bytes')
    element.host.disconnect()
    return 0


if __name__ == '__main__':
    sys.exit(main())
