"""Tables of an archive's database."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

__all__ = [
    'METADATA',
    'arrival',
    'arrival_file',
    'arrival_log',
    'arrival_scan',
    'custom_field',
    'custom_form',
    'custom_form_use',
    'deleted_id',
    'file',
    'invitation',
    'item',
    'pipeline',
    'project_pipeline',
    'project_setting',
    'project_visit',
    'resource',
    'retired',
    'role',
    'search',
    'setting',
    'share',
    'task',
    'token',
    'user',
    'version',
    'workflow',
]

METADATA = MetaData()

# One row per item, whatever its data type. Fields that listings, rights and routes of XNAT need
# have a column; the others are JSON, keyed by path without predicates for types
# ('demographics/gender', 'fields/field[name=x]/field').
item = Table(
    'item',
    METADATA,
    Column('pk', Integer, primary_key=True),  # also xnat_imagescandata_id etc.
    Column(
        'level', String, nullable=False
    ),  # project, subject, experiment, scan, assessor, reconstruction
    Column('xsi_type', String, nullable=False),  # xnat:mrSessionData
    Column(
        'id', String, nullable=False
    ),  # accession ID; for scans and reconstructions the ID in their session
    Column('label', String),  # unique in its project; none for scans and reconstructions
    Column('project', String, nullable=False),  # ID of the owning project
    Column(
        'parent', ForeignKey('item.pk', ondelete='CASCADE')
    ),  # project of a subject, subject of a session, session of a scan
    Column('access', String),  # projects only: private, protected, public
    Column('status', String, nullable=False, default='active'),
    Column('insert_date', String, nullable=False),
    Column('insert_user', String, nullable=False),
    Column('last_modified', String, nullable=False),  # of the item or of anything below it
    Column('own_modified', String),  # of its own fields: last_modified of its general type in XNAT
    Column('told_project', String),  # project in a scan's document if not the owner; empty for none
    Column('fields', Text, nullable=False, default='{}'),
    Index('item_parent', 'parent', 'level', 'id'),
    Index('item_id', 'level', 'id'),
    Index('item_project', 'project', 'level', 'label'),
    sqlite_autoincrement=True,
)

# ID of a deleted item, which is not given again. kind is subject, experiment (also for assessors),
# or the level and number of the session of a scan or reconstruction ('scan 7').
deleted_id = Table(
    'deleted_id',
    METADATA,
    Column('kind', String, primary_key=True),
    Column('id', String, primary_key=True),
)
event.listen(
    METADATA,
    'after_create',
    DDL(  # type: ignore[no-untyped-call]
        """CREATE TRIGGER item_deleted AFTER DELETE ON item
WHEN OLD.level IN ('subject', 'experiment', 'assessor')
OR EXISTS (SELECT 1 FROM item WHERE pk = OLD.parent AND OLD.level IN ('scan', 'reconstruction'))
BEGIN INSERT OR IGNORE INTO deleted_id (kind, id) VALUES (CASE OLD.level
WHEN 'subject' THEN 'subject' WHEN 'scan' THEN 'scan ' || OLD.parent
WHEN 'reconstruction' THEN 'reconstruction ' || OLD.parent ELSE 'experiment' END, OLD.id); END"""
    ),
)

# An item shared into another project, with a label there.
share = Table(
    'share',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('item', ForeignKey('item.pk', ondelete='CASCADE'), nullable=False),
    Column('project', String, nullable=False),
    Column('label', String),  # none: only the ID finds the item there
    Column('insert_date', String),
    UniqueConstraint('item', 'project'),
    Index('share_project', 'project', 'label'),
)

# Earlier state of an item: valid from start_date to end_date, when the user with this login changed
# it.
version = Table(
    'version',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('item', ForeignKey('item.pk', ondelete='CASCADE'), nullable=False),
    Column('start_date', String, nullable=False),
    Column('end_date', String, nullable=False),
    Column('login', String, nullable=False),
    Column('action', String, nullable=False),
    Column('reason', String, nullable=False),
    Column('comment', String, nullable=False),
    Column('state', Text, nullable=False),  # JSON
    Index('version_item', 'item'),
)

# A named folder of files of an item. side is 'in' or 'out' for inputs and outputs of assessors and
# reconstructions.
resource = Table(
    'resource',
    METADATA,
    Column('pk', Integer, primary_key=True),  # xnat_abstractresource_id
    Column('item', ForeignKey('item.pk', ondelete='CASCADE'), nullable=False),
    Column('side', String, nullable=False, default=''),
    Column('label', String),
    Column('format', String),
    Column('content', String),
    Column('description', String),
    Column('tags', String),
    Column('insert_date', String, nullable=False),
    Column('insert_user', String, nullable=False),
    Column('counted', Boolean),  # whether a file was ever stored in it
    Column('folder', String),  # folder name if not the label or number
    Column(
        'told_count', Integer
    ),  # number of files in the document that named it, until it has files; told_size: bytes
    Column('told_size', Integer),
    Index('resource_item', 'item', 'side', 'label'),
    sqlite_autoincrement=True,
)

# One stored file. mtime_ns is that of the file on disk when the row was written: a difference means
# a crash in between.
file = Table(
    'file',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('resource', ForeignKey('resource.pk', ondelete='CASCADE'), nullable=False),
    Column('path', String, nullable=False),  # in the resource, with '/'
    Column('size', Integer, nullable=False),  # bytes
    Column('digest', String, nullable=False),  # MD5, hexadecimal
    Column('mtime_ns', Integer, nullable=False),
    Column('format', String),
    Column('content', String),
    Column('description', String),
    Column('tags', String),
    Column('meta', Text),  # JSON: tags that are name=value
    Column('insert_date', String, nullable=False),
    Column('insert_user', String, nullable=False),
    Column('modified_date', String),  # if overwritten
    Column('modified_user', String),
    UniqueConstraint('resource', 'path'),
)

user = Table(
    'user',
    METADATA,
    Column('pk', Integer, primary_key=True),  # xdat_user_id
    Column('login', String, nullable=False, unique=True),
    Column('password', String, nullable=False),  # salted hash
    Column('firstname', String, nullable=False, default=''),
    Column('lastname', String, nullable=False, default=''),
    Column('email', String, nullable=False, default=''),
    Column('enabled', Boolean, nullable=False, default=True),
    Column('admin', Boolean, nullable=False, default=False),
    Column('verified', Boolean, nullable=False, server_default='1'),
    Column(
        'email_verified', Boolean, nullable=False, server_default='0'
    ),  # by an administrator, or by an invitation that was sent to it
    Column('modified', Integer, nullable=False, server_default='0'),  # milliseconds since 1970
)

# Alias tokens of users. Times are seconds since 1970.
token = Table(
    'token',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('alias', String, nullable=False, unique=True),
    Column('digest', String, nullable=False),  # SHA-256 of the secret
    Column('login', String, nullable=False),
    Column('created', Integer, nullable=False),
    Column('expires', Integer, nullable=False),
    sqlite_autoincrement=True,
)

# Custom fields of older archives; now in the field custom_fields of the item.
custom_field = Table(
    'custom_field',
    METADATA,
    Column('item', ForeignKey('item.pk', ondelete='CASCADE'), primary_key=True),
    Column('name', String, primary_key=True),
    Column('value', Text, nullable=False),
)

# A form for custom fields: its document, and the data type it applies to.
custom_form = Table(
    'custom_form',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('uuid', String, nullable=False, unique=True),
    Column('datatype', String, nullable=False),
    Column('contents', Text, nullable=False),
    Column('position', Integer, nullable=False),
    Column('username', String, nullable=False),
    Column('created', Integer, nullable=False),  # milliseconds
    sqlite_autoincrement=True,
)

# Use of a form in the site or in a project.
custom_form_use = Table(
    'custom_form_use',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('form', ForeignKey('custom_form.pk', ondelete='CASCADE'), nullable=False),
    Column('entity', String, nullable=False),
    Column('status', String, nullable=False),
    UniqueConstraint('form', 'entity'),
    sqlite_autoincrement=True,
)

# Role of a user in a project: owner, member, collaborator, or the key of a custom group.
role = Table(
    'role',
    METADATA,
    Column('project', String, primary_key=True),
    Column('login', String, primary_key=True),
    Column('role', String, nullable=False),
)

# Custom group of users in a project. Its ID is <project>_<key>.
user_group = Table(
    'user_group',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('project', String, nullable=False),
    Column('key', String, nullable=False),  # role.role
    Column('displayname', String, nullable=False),
    UniqueConstraint('project', 'key'),
    sqlite_autoincrement=True,
)

# Rights of a custom group on items of one data type. edit includes create.
group_right = Table(
    'group_right',
    METADATA,
    Column('project', String, primary_key=True),
    Column('key', String, primary_key=True),
    Column('xsi_type', String, primary_key=True),
    Column('read', Boolean, nullable=False),
    Column('edit', Boolean, nullable=False),
    Column('delete', Boolean, nullable=False),
)

# Favorites of users.
favorite = Table(
    'favorite',
    METADATA,
    Column('login', String, primary_key=True),
    Column('type', String, primary_key=True),  # as sent: Project
    Column('id', String, primary_key=True),
)

# Invitation to a project, sent to an email address.
invitation = Table(
    'invitation',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('project', String, nullable=False),
    Column('level', String, nullable=False),  # the group's key, as in role
    Column('email', String, nullable=False),
    Column('create_date', String, nullable=False),
    Column('login', String, nullable=False),  # who invited
    Column('digest', String, nullable=False, server_default=''),  # SHA-256 of the link's secret
    Column('approved', Boolean),
    Column('approval_date', String),
    sqlite_autoincrement=True,
)

# Last visit of a user to a project.
project_visit = Table(
    'project_visit',
    METADATA,
    Column('login', String, primary_key=True),
    Column('project', String, primary_key=True),
    Column('at', String, nullable=False),
)

# IDs of deleted projects, which XNAT does not reuse.
retired = Table('retired', METADATA, Column('id', String, primary_key=True))

# Pending changes of folders after a commit: rename source to target, or remove source. Paths are
# relative to the archive's folder. Carried out before the next writer begins, or at the next start
# after a crash.
task = Table(
    'task',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('source', String, nullable=False),
    Column('target', String),  # none: remove
)

# Settings of a project for received data: prearchive_code etc.
project_setting = Table(
    'project_setting',
    METADATA,
    Column('project', String, primary_key=True),
    Column('name', String, primary_key=True),
    Column('value', String, nullable=False),
)

# Operation on an item, and its status.
workflow = Table(
    'workflow',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('item', String, nullable=False),  # accession ID
    Column('project', String, nullable=False),
    Column('data_type', String, nullable=False),
    Column('pipeline_name', String, nullable=False),
    Column('status', String, nullable=False),
    Column('launch_time', String, nullable=False),
    Column('login', String, nullable=False),
    Column('scan_id', String, nullable=False, default=''),
    Column('fields', Text, nullable=False, default='{}'),  # the other fields of wrk:workflowData
    Index('workflow_item', 'item'),
)

# Pipeline of the site. path is that of the descriptor on a server with an engine; here only a name.
pipeline = Table(
    'pipeline',
    METADATA,
    Column('path', String, primary_key=True),
    Column('name', String, nullable=False),
    Column('datatype', String, nullable=False),  # also for types that extend it
    Column('description', String, nullable=False, default=''),
    Column(
        'document', Text, nullable=False, default='{}'
    ),  # generates, steps, authors, version, ...
)

# Pipeline of a project, with an alias there.
project_pipeline = Table(
    'project_pipeline',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('project', String, nullable=False),
    Column('step', String, nullable=False),  # stepId
    Column('path', ForeignKey('pipeline.path', ondelete='CASCADE'), nullable=False),
    Column('parameters', Text, nullable=False, default='[]'),
    UniqueConstraint('project', 'step'),
)

# Session in the prearchive. Type and fields of the future item are read from the image headers when
# it is built.
arrival = Table(
    'arrival',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('project', String),  # none: Unassigned
    Column(
        'timestamp', String, nullable=False, unique=True
    ),  # yyyyMMdd_HHmmssSSS, the folder above it
    Column('folder', String, nullable=False),
    Column('name', String, nullable=False),  # label of the future item
    Column('subject', String, nullable=False, default=''),  # label or ID
    Column('tag', String, nullable=False, default=''),  # study instance UID
    Column('status', String, nullable=False),  # RECEIVING, BUILDING, READY, CONFLICT, ERROR
    Column('uploaded', String, nullable=False),
    Column('lastmod', String, nullable=False),
    Column('login', String, nullable=False),
    Column('autoarchive', String, nullable=False, default='Manual'),
    Column('prevent_anon', String, nullable=False, default='false'),
    Column('prevent_auto_commit', String, nullable=False, default='false'),
    Column('source', String, nullable=False, default=''),
    Column('visit', String, nullable=False, default=''),
    Column('protocol', String, nullable=False, default=''),
    Column('timezone', String, nullable=False, default=''),
    Column('xsi_type', String, nullable=False, default=''),
    Column('fields', Text, nullable=False, default='{}'),
    Index('arrival_tag', 'tag'),
    sqlite_autoincrement=True,
)

# Series of a session in the prearchive: a future scan.
arrival_scan = Table(
    'arrival_scan',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('arrival', ForeignKey('arrival.pk', ondelete='CASCADE'), nullable=False),
    Column('id', String, nullable=False),  # scan ID
    Column('uid', String, nullable=False),  # series instance UID
    Column('number', String, nullable=False),  # series number, or the UID without one
    Column('xsi_type', String, nullable=False, default=''),
    Column('fields', Text, nullable=False, default='{}'),
    UniqueConstraint('arrival', 'uid'),
    UniqueConstraint('arrival', 'id'),
    sqlite_autoincrement=True,
)

# Image in the prearchive, with the elements of its header that decide its scan.
arrival_file = Table(
    'arrival_file',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('scan', ForeignKey('arrival_scan.pk', ondelete='CASCADE'), nullable=False),
    Column('path', String, nullable=False),
    Column('size', Integer, nullable=False),
    Column('digest', String, nullable=False),
    Column('mtime_ns', Integer, nullable=False),
    Column('instance', String, nullable=False),  # SOP instance UID
    Column('sop_class', String, nullable=False),
    Column('modality', String, nullable=False),
    Column('place', Integer, nullable=False),  # instance number
    Column('frames', Integer, nullable=False),
    UniqueConstraint('scan', 'path'),
)

# Version of a tool's configuration for a project or the site.
config = Table(
    'config',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('project', String, nullable=False, default=''),  # empty: the site
    Column('tool', String, nullable=False),
    Column('path', String, nullable=False),
    Column('version', Integer, nullable=False),
    Column('login', String, nullable=False),
    Column('created', String, nullable=False),
    Column('reason', String, nullable=False, default=''),
    Column('contents', Text, nullable=False),
    Column('unversioned', Boolean, nullable=False, default=False),
    Column('status', String, nullable=False),  # enabled, disabled
    Index('config_place', 'project', 'tool', 'path'),
    sqlite_autoincrement=True,
)

# Log of a session in the prearchive.
arrival_log = Table(
    'arrival_log',
    METADATA,
    Column('pk', Integer, primary_key=True),
    Column('arrival', ForeignKey('arrival.pk', ondelete='CASCADE'), nullable=False),
    Column('time', String, nullable=False),
    Column('entry', Text, nullable=False),
    Index('arrival_log_arrival', 'arrival'),
)

# Saved searches, as the XML document that was sent.
search = Table(
    'search',
    METADATA,
    Column('id', String, primary_key=True),
    Column('login', String, nullable=False),
    Column('document', Text, nullable=False),
)

# Settings of the archive: site ID, preferences, whether it was closed properly.
setting = Table(
    'setting',
    METADATA,
    Column('name', String, primary_key=True),
    Column('value', String, nullable=False),
)
