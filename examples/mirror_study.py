"""Work on a project without a network: pull it, compute on the copy, push the results.

::

    python mirror_study.py pull STUDY PROJECT --files NIFTI   # where the server can be reached
    python mirror_study.py work STUDY PROJECT                 # in a job, without a network
    python mirror_study.py push STUDY                         # where it can be reached again

Each may be run again: a pull brings what is new, the work does what is left, a push sends the rest.
Server and login as in brain_masks.py.
"""

import argparse
import sys

import pyxnat

RESULT = 'FILE_SIZES'


def pull(folder: str, project: str, files: str) -> int:
    """Bring a project into the folder; return 1 if something failed."""
    with pyxnat.Interface() as xnat, pyxnat.Mirror(folder, remote=xnat) as mirror:
        report = mirror.pull(f'/projects/{project}', files=files)
    print(report, *report.notes, sep='\n')
    return 1 if report.failed else 0


def work(folder: str, project: str) -> int:
    """Write the sizes of the files of each scan beside them, once."""
    with pyxnat.open(folder) as study:
        for scan in study.select(f'/projects/{project}/subjects/*/experiments/*/scans'):
            result = scan.resource(RESULT).file('sizes.txt')
            if not result.exists():
                lines = [f'{file.row["path"]} {file.size()}\n' for file in scan.resources().files()]
                result.put(''.join(lines).encode())
                scan.attrs.set('note', f'{len(lines)} files measured')
    return 0


def push(folder: str) -> int:
    """Send the results; return 1 if something failed or is in conflict."""
    with pyxnat.Interface() as xnat, pyxnat.Mirror(folder, remote=xnat) as mirror:
        print(mirror.push(dry_run=True))
        report = mirror.push()
        print(report)
        for conflict in mirror.conflicts():
            print(f'{conflict.key}: {conflict.reason}; decide with pyxnat mirror resolve')
        return 1 if report.failed or mirror.conflicts() else 0


def main(arguments: list[str] | None = None) -> int:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description='Work on a project without a network.')
    parser.add_argument('step', choices=['pull', 'work', 'push'])
    parser.add_argument('folder')
    parser.add_argument('project', nargs='?')
    parser.add_argument('--files', default='all', help='all, none, lazy, or a label of resources')
    chosen = parser.parse_args(arguments)
    if chosen.step == 'push':
        return push(chosen.folder)
    if not chosen.project:
        parser.error(f'{chosen.step} needs the project')
    if chosen.step == 'pull':
        return pull(chosen.folder, chosen.project, chosen.files)
    return work(chosen.folder, chosen.project)


if __name__ == '__main__':
    sys.exit(main())
