"""The sessions of a project as tasks of a dask cluster.

::

    python map_on_dask.py PROJECT                          # two processes on this machine
    python map_on_dask.py PROJECT tcp://scheduler:8786     # a cluster

Counts the files and bytes of each session, on the next free worker.
Elements carry the login session to the workers, and no password. Server and login as in
brain_masks.py; the workers need pyxnat, and a way to the server.
"""

import sys
from contextlib import nullcontext

import distributed

import pyxnat


def count_files(session):
    """Return label, number of files and bytes of a session, in a worker."""
    sizes = [int(file.size()) for file in session.scans().resources().files()]
    return session.label(), len(sizes), sum(sizes)


def main(project, address=None):
    """Print a line for each finished session; return 0 if all succeeded."""
    failed = 0
    local = (
        nullcontext(address)
        if address
        else distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    )
    with local as cluster, distributed.Client(cluster) as client, pyxnat.Interface() as xnat:
        sessions = xnat.select.project(project).subjects().experiments()
        futures = client.map(count_files, [*sessions])
        for future in distributed.as_completed(futures):
            if future.status == 'finished':
                print('{}\t{} files\t{} bytes'.format(*future.result()))
            else:
                failed += 1
                print(f'FAILED {future.exception()}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
