# Written by docs/make_stubs.py from the table of levels; not to be edited. tests/test_stubs.py keeps it in step.
# ruff: noqa: A002, N801, N803 - XNAT's words
"""Elements and collections: one pair of classes for each level of :data:`pyxnat.model.levels.LEVELS`."""

import os
from collections.abc import Iterator
from typing import Any, Literal, overload

from typing_extensions import Self

from ..http.body import Body
from .base import Element
from .collection import Collection
from .elements import AssessorElement, ExperimentElement, ProjectElement, ReconstructionElement, ScanElement, SubjectElement
from .files import FileElement, ResourceElement
from .groups import AssessorCollection, DownloadableCollection, SharedCollection

__all__ = [
    'Assessor',
    'Assessors',
    'Collection',
    'Element',
    'Experiment',
    'Experiments',
    'File',
    'Files',
    'In_Resource',
    'In_Resources',
    'Out_Resource',
    'Out_Resources',
    'Project',
    'Projects',
    'Reconstruction',
    'Reconstructions',
    'Resource',
    'Resources',
    'Scan',
    'Scans',
    'Subject',
    'Subjects',
]

class Project(ProjectElement):
    """A study: the unit that access rights are given for."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> None: ...
    def subject(self, ID: str) -> Subject:
        """One subject: a person, animal or phantom examined in a project, whether it exists or not."""

    def subjects(self, id_filter: str = '*') -> Subjects:
        """The subjects below: each is a person, animal or phantom examined in a project."""

    def experiment(self, ID: str) -> Experiment:
        """One experiment: an imaging session or another assessment of a subject, whether it exists or not."""

    def experiments(self, id_filter: str = '*') -> Experiments:
        """The experiments below: each is an imaging session or another assessment of a subject."""

    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Subject(SubjectElement):
    """A person, animal or phantom examined in a project."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> Project | None: ...
    def shares(self, id_filter: str = '*') -> Projects: ...
    def experiment(self, ID: str) -> Experiment:
        """One experiment: an imaging session or another assessment of a subject, whether it exists or not."""

    def experiments(self, id_filter: str = '*') -> Experiments:
        """The experiments below: each is an imaging session or another assessment of a subject."""

    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Experiment(ExperimentElement):
    """An imaging session or another assessment of a subject."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> Subject: ...
    def shares(self, id_filter: str = '*') -> Projects: ...
    def scan(self, ID: str) -> Scan:
        """One scan: one acquisition of an imaging session, whether it exists or not."""

    def scans(self, id_filter: str = '*') -> Scans:
        """The scans below: each is one acquisition of an imaging session."""

    def assessor(self, ID: str) -> Assessor:
        """One assessor: a measurement or judgement derived from an imaging session, whether it exists or not."""

    def assessors(self, id_filter: str = '*') -> Assessors:
        """The assessors below: each is a measurement or judgement derived from an imaging session."""

    def reconstruction(self, ID: str) -> Reconstruction:
        """One reconstruction: an image computed from scans of an imaging session, whether it exists or not."""

    def reconstructions(self, id_filter: str = '*') -> Reconstructions:
        """The reconstructions below: each is an image computed from scans of an imaging session."""

    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Scan(ScanElement):
    """One acquisition of an imaging session."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> Experiment: ...
    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Assessor(AssessorElement):
    """A measurement or judgement derived from an imaging session."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> Experiment: ...
    def shares(self, id_filter: str = '*') -> Projects: ...
    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

    def in_resource(self, ID: str) -> In_Resource:
        """One in resource: a named folder of the files that went into an assessor or reconstruction, whether it exists or not."""

    def in_resources(self, id_filter: str = '*') -> In_Resources:
        """The in resources below: each is a named folder of the files that went into an assessor or reconstruction."""

    def out_resource(self, ID: str) -> Out_Resource:
        """One out resource: a named folder of the files that came out of an assessor or reconstruction, whether it exists or not."""

    def out_resources(self, id_filter: str = '*') -> Out_Resources:
        """The out resources below: each is a named folder of the files that came out of an assessor or reconstruction."""

class Reconstruction(ReconstructionElement):
    """An image computed from scans of an imaging session."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def parent(self) -> Experiment: ...
    def resource(self, ID: str) -> Resource:
        """One resource: a named folder of files that belongs to another element, whether it exists or not."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

    def in_resource(self, ID: str) -> In_Resource:
        """One in resource: a named folder of the files that went into an assessor or reconstruction, whether it exists or not."""

    def in_resources(self, id_filter: str = '*') -> In_Resources:
        """The in resources below: each is a named folder of the files that went into an assessor or reconstruction."""

    def out_resource(self, ID: str) -> Out_Resource:
        """One out resource: a named folder of the files that came out of an assessor or reconstruction, whether it exists or not."""

    def out_resources(self, id_filter: str = '*') -> Out_Resources:
        """The out resources below: each is a named folder of the files that came out of an assessor or reconstruction."""

class Resource(ResourceElement):
    """A named folder of files that belongs to another element."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def put(self, sources: Any, overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    batch_insert = put
    def put_dir(self, src_dir: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    dir_insert = put_dir
    def put_zip(self, zip_location: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    zip_insert = put_zip
    def parent(self) -> Project | Subject | Experiment | Scan | Assessor | Reconstruction: ...
    def file(self, ID: str) -> File:
        """One file: a file of a resource, identified by its path in it, whether it exists or not."""

    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class In_Resource(ResourceElement):
    """A named folder of the files that went into an assessor or reconstruction."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def put(self, sources: Any, overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    batch_insert = put
    def put_dir(self, src_dir: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    dir_insert = put_dir
    def put_zip(self, zip_location: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    zip_insert = put_zip
    def parent(self) -> Assessor | Reconstruction: ...
    def file(self, ID: str) -> File:
        """One file: a file of a resource, identified by its path in it, whether it exists or not."""

    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class Out_Resource(ResourceElement):
    """A named folder of the files that came out of an assessor or reconstruction."""

    def create(self, **params: Any) -> Self: ...
    insert = create
    def put(self, sources: Any, overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    batch_insert = put
    def put_dir(self, src_dir: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    dir_insert = put_dir
    def put_zip(self, zip_location: str | os.PathLike[str], overwrite: bool = False, extract: bool = True, **params: Any) -> Self: ...
    zip_insert = put_zip
    def parent(self) -> Assessor | Reconstruction: ...
    def file(self, ID: str) -> File:
        """One file: a file of a resource, identified by its path in it, whether it exists or not."""

    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class File(FileElement):
    """A file of a resource, identified by its path in it."""

    def put(
        self, src: Body, format: str | None = None, content: str | None = None, tags: str | None = None, overwrite: bool = False, **params: Any
    ) -> Self: ...
    create = put
    insert = put
    def parent(self) -> Resource | In_Resource | Out_Resource: ...

class Projects(Collection[Project]):
    """Projects: each is a study: the unit that access rights are given for."""

    def __iter__(self) -> Iterator[Project]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Project]: ...
    @overload
    def __getitem__(self, index: int | str) -> Project: ...
    def first(self) -> Project | None: ...
    def fetchone(self) -> Project | None: ...
    def fetchmany(self, size: int = 1) -> list[Project]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Project]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Project]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def subjects(self, id_filter: str = '*') -> Subjects:
        """The subjects below: each is a person, animal or phantom examined in a project."""

    def experiments(self, id_filter: str = '*') -> Experiments:
        """The experiments below: each is an imaging session or another assessment of a subject."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Subjects(SharedCollection):
    """Subjects: each is a person, animal or phantom examined in a project."""

    def __iter__(self) -> Iterator[Subject]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Subject]: ...
    @overload
    def __getitem__(self, index: int | str) -> Subject: ...
    def first(self) -> Subject | None: ...
    def fetchone(self) -> Subject | None: ...
    def fetchmany(self, size: int = 1) -> list[Subject]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Subject]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Subject]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def experiments(self, id_filter: str = '*') -> Experiments:
        """The experiments below: each is an imaging session or another assessment of a subject."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Experiments(SharedCollection):
    """Experiments: each is an imaging session or another assessment of a subject."""

    def __iter__(self) -> Iterator[Experiment]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Experiment]: ...
    @overload
    def __getitem__(self, index: int | str) -> Experiment: ...
    def first(self) -> Experiment | None: ...
    def fetchone(self) -> Experiment | None: ...
    def fetchmany(self, size: int = 1) -> list[Experiment]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Experiment]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Experiment]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def scans(self, id_filter: str = '*') -> Scans:
        """The scans below: each is one acquisition of an imaging session."""

    def assessors(self, id_filter: str = '*') -> Assessors:
        """The assessors below: each is a measurement or judgement derived from an imaging session."""

    def reconstructions(self, id_filter: str = '*') -> Reconstructions:
        """The reconstructions below: each is an image computed from scans of an imaging session."""

    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Scans(DownloadableCollection):
    """Scans: each is one acquisition of an imaging session."""

    def __iter__(self) -> Iterator[Scan]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Scan]: ...
    @overload
    def __getitem__(self, index: int | str) -> Scan: ...
    def first(self) -> Scan | None: ...
    def fetchone(self) -> Scan | None: ...
    def fetchmany(self, size: int = 1) -> list[Scan]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Scan]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Scan]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

class Assessors(AssessorCollection):
    """Assessors: each is a measurement or judgement derived from an imaging session."""

    def __iter__(self) -> Iterator[Assessor]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Assessor]: ...
    @overload
    def __getitem__(self, index: int | str) -> Assessor: ...
    def first(self) -> Assessor | None: ...
    def fetchone(self) -> Assessor | None: ...
    def fetchmany(self, size: int = 1) -> list[Assessor]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Assessor]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Assessor]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

    def in_resources(self, id_filter: str = '*') -> In_Resources:
        """The in resources below: each is a named folder of the files that went into an assessor or reconstruction."""

    def out_resources(self, id_filter: str = '*') -> Out_Resources:
        """The out resources below: each is a named folder of the files that came out of an assessor or reconstruction."""

class Reconstructions(DownloadableCollection):
    """Reconstructions: each is an image computed from scans of an imaging session."""

    def __iter__(self) -> Iterator[Reconstruction]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reconstruction]: ...
    @overload
    def __getitem__(self, index: int | str) -> Reconstruction: ...
    def first(self) -> Reconstruction | None: ...
    def fetchone(self) -> Reconstruction | None: ...
    def fetchmany(self, size: int = 1) -> list[Reconstruction]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Reconstruction]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Reconstruction]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def resources(self, id_filter: str = '*') -> Resources:
        """The resources below: each is a named folder of files that belongs to another element."""

    def in_resources(self, id_filter: str = '*') -> In_Resources:
        """The in resources below: each is a named folder of the files that went into an assessor or reconstruction."""

    def out_resources(self, id_filter: str = '*') -> Out_Resources:
        """The out resources below: each is a named folder of the files that came out of an assessor or reconstruction."""

class Resources(Collection[Resource]):
    """Resources: each is a named folder of files that belongs to another element."""

    def __iter__(self) -> Iterator[Resource]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Resource]: ...
    @overload
    def __getitem__(self, index: int | str) -> Resource: ...
    def first(self) -> Resource | None: ...
    def fetchone(self) -> Resource | None: ...
    def fetchmany(self, size: int = 1) -> list[Resource]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Resource]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Resource]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class In_Resources(Collection[In_Resource]):
    """In resources: each is a named folder of the files that went into an assessor or reconstruction."""

    def __iter__(self) -> Iterator[In_Resource]: ...
    @overload
    def __getitem__(self, index: slice) -> list[In_Resource]: ...
    @overload
    def __getitem__(self, index: int | str) -> In_Resource: ...
    def first(self) -> In_Resource | None: ...
    def fetchone(self) -> In_Resource | None: ...
    def fetchmany(self, size: int = 1) -> list[In_Resource]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[In_Resource]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[In_Resource]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class Out_Resources(Collection[Out_Resource]):
    """Out resources: each is a named folder of the files that came out of an assessor or reconstruction."""

    def __iter__(self) -> Iterator[Out_Resource]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Out_Resource]: ...
    @overload
    def __getitem__(self, index: int | str) -> Out_Resource: ...
    def first(self) -> Out_Resource | None: ...
    def fetchone(self) -> Out_Resource | None: ...
    def fetchmany(self, size: int = 1) -> list[Out_Resource]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[Out_Resource]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[Out_Resource]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
    def files(self, id_filter: str = '*') -> Files:
        """The files below: each is a file of a resource, identified by its path in it."""

class Files(Collection[File]):
    """Files: each is a file of a resource, identified by its path in it."""

    def __iter__(self) -> Iterator[File]: ...
    @overload
    def __getitem__(self, index: slice) -> list[File]: ...
    @overload
    def __getitem__(self, index: int | str) -> File: ...
    def first(self) -> File | None: ...
    def fetchone(self) -> File | None: ...
    def fetchmany(self, size: int = 1) -> list[File]: ...
    @overload
    def get(self) -> list[str]: ...
    @overload
    def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def get(self, what: Literal['obj', ''], /) -> list[File]: ...
    @overload
    def get(self, *what: str) -> list[Any]: ...
    @overload
    def fetchall(self) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
    @overload
    def fetchall(self, what: Literal['obj', ''], /) -> list[File]: ...
    @overload
    def fetchall(self, *what: str) -> list[Any]: ...
    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        level: Literal['subject', 'experiment', 'assessor'] = 'subject',
    ) -> Self: ...
