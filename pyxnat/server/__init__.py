"""XNAT-compatible archive in one folder.

Data types come from XSD files, items are stored in SQLite, and files in readable folders. Routes
and formats are those of XNAT's REST API::

    from pyxnat.server import serve

    with serve('archive') as server:
        print(server.url, server.user, server.password)

From a shell: ``python -m pyxnat.server DIR``.
"""

try:
    from .db.folder_locks import ArchiveBusy
    from .db.migrations import ArchiveTooNew
    from .serving import Server, serve
except ModuleNotFoundError as error:
    library = str(error.name).partition('.')[0]
    if library == 'pyxnat':
        raise
    raise ModuleNotFoundError(
        f"pyxnat.server needs {library}: pip install 'pyxnat[server]'", name=library
    ) from error

__all__ = ['ArchiveBusy', 'ArchiveTooNew', 'Server', 'serve']
