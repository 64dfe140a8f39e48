"""A plain HTTP client and its bodies, independent of the library's own client."""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any, Protocol

from pyxnat.server import Server


class Address(Protocol):
    """Address of a server."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class Answer:
    """A response, read completely."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode(self.headers.get_content_charset('utf-8'))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def result(self) -> dict[str, Any]:
        """Return the ResultSet of a JSON table: its rows and their description."""
        found: dict[str, Any] = self.json['ResultSet']
        return found

    @property
    def rows(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.result['Result']
        return found

    @property
    def item(self) -> dict[str, Any]:
        """Return the item of a JSON response: its data_fields, meta and children."""
        found: dict[str, Any] = self.json['items'][0]
        return found

    @property
    def csv(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.text)))

    @property
    def header(self) -> list[str]:
        return self.text.splitlines()[0].split(',')

    @property
    def names(self) -> list[str]:
        """Return the names of the members of a zip or tar."""
        if self.body.startswith(b'PK'):
            with zipfile.ZipFile(io.BytesIO(self.body)) as archive:
                return archive.namelist()
        with tarfile.open(fileobj=io.BytesIO(self.body)) as archive:
            return archive.getnames()


class Client:
    """One kept-alive connection of a user; without a login it sends no credentials."""

    def __init__(
        self,
        server: Address,
        login: str | None = None,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = (
            http.client.HTTPSConnection
            if getattr(server, 'secure', False)
            else http.client.HTTPConnection
        )
        self._connection: http.client.HTTPConnection = kind(server.host, server.port, timeout=60)
        self._base: str = getattr(server, 'base', '')
        self.headers = dict(headers or {})
        if login is not None:
            secret = base64.b64encode(f'{login}:{password}'.encode()).decode()
            self.headers['Authorization'] = f'Basic {secret}'

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        idle = self._connection.sock is not None
        try:
            self._connection.request(
                method, self._base + path, body, {**self.headers, **(headers or {})}
            )
            return Answer(self._connection.getresponse())
        except http.client.RemoteDisconnected:
            self._connection.close()
            if method == 'GET' and idle:  # the server closed an idle connection
                return self(method, path, body, headers)
            raise
        except BaseException:
            self._connection.close()  # the next request opens a new connection
            raise

    def get(self, path: str, **headers: str) -> Answer:
        return self('GET', path, headers=headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self('PUT', path, body, headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self('POST', path, body, headers)

    def delete(self, path: str) -> Answer:
        return self('DELETE', path)

    def ok(self, method: str, path: str, body: Any = None) -> str:
        answer = self(method, path, body)
        assert answer.status in (200, 201), (method, path, answer.status, answer.body)
        return answer.text

    def item(self, path: str) -> dict[str, Any]:
        """Return an item's JSON."""
        return self.get(f'{path}?format=json').item

    def close(self) -> None:
        self._connection.close()


XML = {'Content-Type': 'text/xml'}
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w') as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return target.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = 'w:gz', link: str = '') -> bytes:
    """Return a tar of these files, and of a symbolic link that leads outside if one is named."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, '/etc/passwd'
            archive.addfile(info)
    return target.getvalue()


def multipart(
    *files: tuple[str, bytes], mime: str = 'application/octet-stream'
) -> tuple[bytes, dict[str, str]]:
    """Return a form with these files, and its content type."""
    parts = [
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\nContent-Type: '
        b'%s\r\n\r\n%s\r\n' % (name.encode(), mime.encode(), body)
        for name, body in files
    ]
    return b''.join(parts) + b'--XX--\r\n', {'Content-Type': 'multipart/form-data; boundary=XX'}


def image(**tags: Any) -> bytes:
    """Return a DICOM file without pixels; elements by their keywords replace the default values."""
    import pydicom

    dataset = pydicom.Dataset()
    values = {
        'PatientID': 'pid',
        'PatientName': 'A^B',
        'StudyDate': '20200131',
        'StudyTime': '081530.5',
        'StudyInstanceUID': '1.2.3',
        'SeriesInstanceUID': '1.2.3.4',
        'SeriesNumber': 1,
        'SeriesDescription': 't1_mpr',
        'Modality': 'MR',
        'Manufacturer': 'M',
        'MagneticFieldStrength': 3,
        'RepetitionTime': 2300,
        'SOPClassUID': '1.2.840.10008.5.1.4.1.1.4',
        'SOPInstanceUID': '1.2.3.4.5',
        'StudyID': 'study',
        'InstanceNumber': 1,
    }
    for name, value in {**values, **tags}.items():
        setattr(dataset, name, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    target = io.BytesIO()
    pydicom.dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()


def allow_many_sessions(server: Server) -> None:
    """Let a user have many sessions: a request of `Client` opens one."""
    server.archive.prefer('concurrentMaxSessions', 1_000_000)
