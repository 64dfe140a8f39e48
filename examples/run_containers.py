"""A container on each session of a project.

::

    python run_containers.py PROJECT                             # list what can be run
    python run_containers.py PROJECT WRAPPER level=3 --timeout 7200

Starts the wrapper on all sessions of the types that it is for, waits for them, and prints the
failures. Server and login as in brain_masks.py.
"""

import argparse
import sys

import pyxnat


def main() -> int:
    """Start the containers, wait for them, print how they ended; return 1 for a failure."""
    parser = argparse.ArgumentParser(description='A container on each session of a project.')
    parser.add_argument('project')
    parser.add_argument('wrapper', nargs='?')
    parser.add_argument('inputs', nargs='*', metavar='NAME=VALUE')
    parser.add_argument('--timeout', type=float, default=3600, help='seconds')
    chosen = parser.parse_args()
    inputs = dict(pair.split('=', 1) for pair in chosen.inputs)
    with pyxnat.Interface() as xnat:
        sessions = list(xnat.select.project(chosen.project).experiments())
        one_of_each = {session.datatype(): session for session in sessions}
        names = {
            kind: [wrapper['wrapper-name'] for wrapper in session.wrappers()]
            for kind, session in one_of_each.items()
        }
        if not chosen.wrapper:
            for kind in sorted(names):
                print(f'{kind}: {", ".join(names[kind]) or "nothing"}')
            return 0
        fitting = [one for one in sessions if chosen.wrapper in names[one.datatype()]]
        runs = [session.run(chosen.wrapper, **inputs) for session in fitting]
        failed = 0
        for run in runs:
            try:
                print(f'{run.element.label()}: {run.wait(chosen.timeout).status()}')
            except pyxnat.Error as error:
                failed += 1
                print(f'FAILED {error}', file=sys.stderr)
    return 1 if failed or not runs else 0


if __name__ == '__main__':
    sys.exit(main())
