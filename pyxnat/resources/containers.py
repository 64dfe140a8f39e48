"""Containers of XNAT's Container Service: ``element.run(wrapper, **inputs)``.

The service is the plug-in "containers" of XNAT. A *wrapper* is a command of a Docker image with its
inputs for items of a type; administrators install it, and owners enable it in their project. XNAT
records each run as a workflow, and a container once the run leaves the queue.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

from .. import errors
from ..errors import DataError, NetworkTimeout, NotFoundError, NotSupportedError
from ..model import uris
from ..tables.json_stream import parse_item, parse_json
from .base import Element
from .host import Host
from .hosted import Hosted

__all__ = ['ContainerRun', 'ContainerRuns', 'Launchable', 'LaunchableAll']

_ENDS = ('Complete', 'Failed', 'Killed')
"""Begins of the statuses of runs that have ended, as in the plug-in."""
_PLUGIN = 'containers'


class Launchable:
    """Mixin for elements that containers run on."""

    def wrappers(self) -> list[dict[str, Any]]:
        """Return the wrappers that the project has enabled for elements of this type.

        One request, and those for the project and the type if they are not known.

        Returns
        -------
        list of dict
            Keys include ``wrapper-id``, ``wrapper-name``, ``wrapper-label``, ``command-name``,
            ``image-name``, ``root-element-name``.

        Raises
        ------
        NotSupportedError
            The server has no Container Service.
        """
        element = cast(Element, self)
        query = {'xsiType': element.datatype()}
        uri = f'/xapi/projects/{uris.quote(_project_of(element))}/commands/available'
        try:
            body = element.connection.request(uris.with_query(uri, query), expiration=0)
        except NotFoundError:
            _check_service(element.host)
            raise
        found: list[dict[str, Any]] = parse_json(body, list, element.connection.server + uri)
        return found

    def run(self, wrapper: str | int, /, **inputs: Any) -> ContainerRun:
        """Start a container on this element, and return its run.

        Parameters
        ----------
        wrapper : str or int
            Name, label or number of the wrapper, as `wrappers` lists them.
        **inputs
            Further inputs by name. The element itself is the wrapper's root input.

        Returns
        -------
        ContainerRun
            Its ``wait`` returns when the run has ended, ``logs`` its output.

        Raises
        ------
        NotFoundError
            The project has no such wrapper for elements of this type.
        DataError
            The service refuses the launch; the message is its reason.
        NotSupportedError
            The server has no Container Service.

        Notes
        -----
        The requests of `wrappers`, and one that is never sent twice.

        Examples
        --------
        ::

            run = session.run('dcm2niix', overwrite='true').wait()
            print(run.logs())
        """
        element = cast(Element, self)
        found = _named(element, self.wrappers(), wrapper)
        values = {name: _text(value) for name, value in inputs.items()}
        values[found['root-element-name']] = f'/archive{_own_uri(element)}'
        workflow = _launch(element, found, values)
        return ContainerRun(element, str(found['wrapper-name']), workflow)


class LaunchableAll:
    """Mixin for collections whose elements containers run on."""

    host: Host

    def run(self, wrapper: str | int, /, *, jobs: int = 4, **inputs: Any) -> ContainerRuns:
        """Start a container on each element.

        XNAT has a request for many launches, but its response does not tell the runs; so each
        element has a launch of its own.

        Parameters
        ----------
        wrapper : str or int
            Name, label or number of the wrapper.
        jobs : int
            Number of launches in parallel.
        **inputs
            Further inputs by name, the same for all.

        Returns
        -------
        ContainerRuns
            The runs, and the launches that failed.
        """
        launch = partial(_launched, wrapper=wrapper, inputs=inputs)
        return ContainerRuns(self.host, self.host.bulk.map(self, launch, jobs=jobs))


def _launched(element: Any, wrapper: str | int, inputs: Mapping[str, Any]) -> ContainerRun:
    run: ContainerRun = element.run(wrapper, **inputs)
    return run


class ContainerRun(Hosted):
    """A run of a wrapper on an element.

    Attributes
    ----------
    element : Element
        The element.
    wrapper : str
        Name of the wrapper.
    workflow : str
        Number of the workflow; ``ContainerRun(element, wrapper, workflow)`` is the run again.
    """

    def __init__(self, element: Any, wrapper: str, workflow: str) -> None:
        self.element = element
        self.host = element.host
        self.wrapper = wrapper
        self.workflow = workflow

    def __repr__(self) -> str:
        return errors.printable(f'<ContainerRun {self.workflow}: {self.wrapper} on {self._name}>')

    @property
    def _name(self) -> str:
        """The label of the element if it is known, else the name in its path."""
        label: str = self.element.row.get(self.element.level.label_column, '')
        return label or str(self.element.path_name)

    @property
    def uri(self) -> str:
        """URI of its workflow."""
        return f'{uris.ENTRY}/workflows/{self.workflow}'

    def _fields(self) -> dict[str, Any]:
        uri = uris.with_query(self.uri, {'format': 'json'})
        body = self.connection.request(uri, expiration=0)
        return parse_item(body, self.connection.server + uri)

    def status(self) -> str:
        """Return the status. One request.

        ``Queued``, ``Staging``, ``Running``, ``Finalizing``; at the end ``Complete``, ``Failed``,
        or ``Failed`` with a reason in parentheses.
        """
        return str(self._fields().get('status', ''))

    def wait(self, timeout: float = 3600, every: float = 5) -> ContainerRun:
        """Wait until the run has ended, and return it.

        Parameters
        ----------
        timeout : float
            Seconds to wait.
        every : float
            Seconds between two requests; the first ones are closer together.

        Raises
        ------
        DataError
            The run failed, or was killed.
        NetworkTimeout
            It has not ended. It goes on, and `wait` can be called again.
        """
        end = time.monotonic() + timeout
        pause = min(0.05, every)
        while True:
            fields = self._fields()
            status = str(fields.get('status', ''))
            if status.startswith(_ENDS):
                self._check(status, str(fields.get('details', '')))
                return self
            remaining = end - time.monotonic()
            if remaining <= 0:
                raise NetworkTimeout(
                    f'{self.wrapper} on {self._name} is {status or "unknown"} after {timeout:g} s',
                    uri=self.connection.server + self.uri,
                    remedy='It goes on: wait longer, or kill() it.',
                )
            time.sleep(min(pause, remaining))
            pause = min(pause * 2, every)

    def _check(self, status: str, details: str) -> None:
        if not status.startswith('Complete'):
            raise DataError(
                f'{self.wrapper} on {self._name}: {status}'
                + (f' ({details[:300]})' if '(' in status and details else ''),
                uri=self.connection.server + self.uri,
                remedy="logs('stderr') of the run has the reason, if the container was started.",
            )

    def container_id(self) -> str:
        """Return the ID of the container. One request, or two.

        Raises
        ------
        NotFoundError
            The run has not left the queue, or failed there.
        """
        fields = self._fields()
        number = str(fields.get('comments', ''))
        if number.isdecimal():
            return number
        uri = f'/xapi/projects/{uris.quote(_project_of(self.element))}/containers'
        body = self.connection.request(uri, expiration=0)
        for row in parse_json(body, list, self.connection.server + uri):
            if str(row.get('workflow-id')) == self.workflow:
                return str(row['id'])
        raise NotFoundError(
            f'{self.wrapper} on {self._name} has no container; it is '
            f'{fields.get("status", "unknown")}',
            uri=self.connection.server + self.uri,
            remedy='Wait until it runs. A run that failed before has its reason in the workflow.',
        )

    def logs(self, stream: str = 'stdout') -> str:
        """Return the output of the container so far. Two requests, or three.

        Parameters
        ----------
        stream : {'stdout', 'stderr'}
            The output or the errors.

        Raises
        ------
        NotFoundError
            The run has no container.
        """
        if stream not in ('stdout', 'stderr'):
            raise errors.ProgrammingError(
                f'stream={stream!r} is not known', remedy='Use stdout or stderr.'
            )
        uri = f'/xapi/containers/{self.container_id()}/logs/{stream}'
        return self.connection.request(uri, expiration=0).decode('utf-8', 'replace')

    def kill(self) -> None:
        """Stop the container. Two requests, or three.

        Raises
        ------
        NotFoundError
            The run has no container.
        """
        project = uris.quote(_project_of(self.element))
        self.connection.request(
            f'/xapi/projects/{project}/containers/{self.container_id()}/kill', 'POST'
        )


class ContainerRuns:
    """Runs of one wrapper on several elements; iterating yields them.

    Attributes
    ----------
    launched : Mapped
        Report of the launches: those that failed are in ``launched.failed``.
    """

    def __init__(self, host: Host, launched: Any) -> None:
        self._host = host
        self.launched = launched
        self._runs = [run for run in launched.results if run is not None]

    def __repr__(self) -> str:
        return f'<ContainerRuns: {len(self._runs)} launched, {len(self.launched.failed)} failed>'

    def __iter__(self) -> Iterator[ContainerRun]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def wait(self, timeout: float = 3600, every: float = 5, jobs: int = 4) -> Any:
        """Wait until all have ended.

        Parameters
        ----------
        timeout : float
            Seconds to wait for all together.
        every : float
            Seconds between two requests for a run.
        jobs : int
            Number of runs that are looked at in parallel.

        Returns
        -------
        Mapped
            A report; runs that failed or have not ended are in ``failed``, with reasons.
        """
        end = time.monotonic() + timeout

        def wait_for(run: ContainerRun) -> str:
            return run.wait(max(0.0, end - time.monotonic()), every).status()

        return self._host.bulk.map(self._runs, wait_for, jobs=jobs)


def _project_of(element: Any) -> str:
    """Return the project of a launch: that in the path, else the element's own."""
    first = element.steps[0]
    if first.level == 'projects':
        return str(first.name)
    above = element
    while above.level.plural not in ('subjects', 'experiments'):
        above = above.parent_on_path()
    return str(above.value_of('project'))


def _own_uri(element: Any) -> str:
    """Return the path of an element by IDs, as the service takes it."""
    plural = element.level.plural
    if plural in ('projects', 'subjects', 'experiments'):
        return f'/{plural}/{uris.quote(element.id())}'
    above = element.parent_on_path()
    return uris.join(_own_uri(above), plural, uris.quote(element.id()))


def _named(element: Any, wrappers: list[dict[str, Any]], name: str | int) -> dict[str, Any]:
    keys = ('wrapper-name', 'wrapper-label', 'wrapper-id', 'command-name')
    for key in keys:
        found = [row for row in wrappers if str(row.get(key, '')) == str(name)]
        if len(found) == 1:
            return found[0]
    known = ', '.join(f'{row["wrapper-name"]} ({row["wrapper-id"]})' for row in wrappers)
    raise NotFoundError(
        f'no wrapper {name!r} for {element.path_name!r}, which is of type {element.datatype()}',
        uri=element.url,
        remedy=f'The project has for this type: {known or "none"}. Its owner enables others on its '
        'page.',
    )


def _launch(element: Any, wrapper: Mapping[str, Any], values: Mapping[str, str]) -> str:
    """Launch a wrapper, and return the number of the workflow."""
    uri = uris.join(
        f'/xapi/projects/{uris.quote(_project_of(element))}/wrappers',
        str(wrapper['wrapper-id']),
        'root',
        uris.quote(wrapper['root-element-name']),
        'launch',
    )
    headers = {'Content-Type': 'application/json'}
    try:
        body = element.connection.request(uri, 'POST', json.dumps(values).encode(), headers)
    except errors.InternalError as error:  # the service's status of a launch that it refuses
        raise _refused(element, uri, wrapper, error.message) from error
    report = parse_json(body, dict, element.connection.server + uri)
    workflow = str(report.get('workflow-id', ''))
    if not workflow.isdecimal():
        raise _refused(element, uri, wrapper, str(report.get('message') or report))
    return workflow


def _refused(element: Any, uri: str, wrapper: Mapping[str, Any], reason: str) -> DataError:
    return DataError(
        f'{wrapper["wrapper-name"]} was not launched on {element.path_name}: {reason}',
        uri=element.connection.server + uri,
        method='POST',
        remedy='Check the inputs, and that you may edit the element.',
    )


def _check_service(host: Host) -> None:
    """Raise an error if the server has no Container Service. One request."""
    uri = '/xapi/plugins'
    plugins = parse_json(
        host.connection.request(uri, expiration=0), dict, host.connection.server + uri
    )
    if _PLUGIN not in plugins:
        raise NotSupportedError(
            'the server has no Container Service',
            uri=host.connection.server + uri,
            remedy=f'Its administrator can install the plug-in {_PLUGIN!r}.',
        )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)
