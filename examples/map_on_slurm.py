"""The sessions of a project as jobs of SLURM, or of this machine.

::

    python map_on_slurm.py PROJECT                # jobs of SLURM if it is there
    python map_on_slurm.py PROJECT local          # processes of this machine

Counts the files and bytes of each session, 50 sessions a job. Run it again to continue after an
interruption: sizes.jsonl has a line for each session. What is sent has no password; each job finds
the login in ~/.netrc or its environment. Needs ``pip install 'pyxnat[engines]'``.
"""

import sys

import submitit

import pyxnat


def count_files(session):
    """Return label, number of files and bytes of a session, in a job."""
    sizes = [int(file.size()) for file in session.scans().resources().files()]
    return session.label(), len(sizes), sum(sizes)


def main(project, cluster=None):
    """Print a line for each session; return 0 if all succeeded."""
    executor = submitit.AutoExecutor('jobs', cluster=cluster)
    executor.update_parameters(timeout_min=60, mem_gb=2)
    with pyxnat.Interface() as xnat:
        sessions = xnat.select.project(project).experiments()
        done = sessions.map(count_files, executor=executor, batch=50, log='sizes.jsonl')
    for label, files, size in filter(None, done.results):
        print(f'{label}\t{files} files\t{size} bytes')
    for failure in done.failed:
        print(f'FAILED {failure}', file=sys.stderr)
    return 0 if done.is_complete else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
