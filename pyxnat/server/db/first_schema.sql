-- Tables of the first numbered version of the database (user_version 1). Never changed: later
-- versions follow from it by the steps in migrations.py.

CREATE TABLE arrival (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project VARCHAR,
    timestamp VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    uploaded VARCHAR NOT NULL,
    lastmod VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    autoarchive VARCHAR NOT NULL,
    prevent_anon VARCHAR NOT NULL,
    prevent_auto_commit VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    visit VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    xsi_type VARCHAR NOT NULL,
    fields TEXT NOT NULL,
    UNIQUE (timestamp)
);

CREATE INDEX arrival_tag ON arrival (tag);

CREATE TABLE config (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project VARCHAR NOT NULL,
    tool VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    login VARCHAR NOT NULL,
    created VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    contents TEXT NOT NULL,
    unversioned BOOLEAN NOT NULL,
    status VARCHAR NOT NULL
);

CREATE INDEX config_place ON config (project, tool, path);

CREATE TABLE custom_form (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid VARCHAR NOT NULL,
    datatype VARCHAR NOT NULL,
    contents TEXT NOT NULL,
    position INTEGER NOT NULL,
    username VARCHAR NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (uuid)
);

CREATE TABLE favorite (
    login VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    PRIMARY KEY (login, type, id)
);

CREATE TABLE group_right (
    project VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    xsi_type VARCHAR NOT NULL,
    read BOOLEAN NOT NULL,
    edit BOOLEAN NOT NULL,
    "delete" BOOLEAN NOT NULL,
    PRIMARY KEY (project, "key", xsi_type)
);

CREATE TABLE invitation (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    email VARCHAR NOT NULL,
    create_date VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    approved BOOLEAN,
    approval_date VARCHAR
);

CREATE TABLE item (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    level VARCHAR NOT NULL,
    xsi_type VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    label VARCHAR,
    project VARCHAR NOT NULL,
    parent INTEGER,
    access VARCHAR,
    status VARCHAR NOT NULL,
    insert_date VARCHAR NOT NULL,
    insert_user VARCHAR NOT NULL,
    last_modified VARCHAR NOT NULL,
    own_modified VARCHAR,
    told_project VARCHAR,
    fields TEXT NOT NULL,
    FOREIGN KEY(parent) REFERENCES item (pk) ON DELETE CASCADE
);

CREATE INDEX item_id ON item (level, id);

CREATE INDEX item_parent ON item (parent, level, id);

CREATE INDEX item_project ON item (project, level, label);

CREATE TABLE pipeline (
    path VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    datatype VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (path)
);

CREATE TABLE project_setting (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE project_visit (
    login VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY (login, project)
);

CREATE TABLE retired (
    id VARCHAR NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE role (
    project VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    PRIMARY KEY (project, login)
);

CREATE TABLE search (
    id VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE setting (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE task (
    pk INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    target VARCHAR,
    PRIMARY KEY (pk)
);

CREATE TABLE token (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    alias VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (alias)
);

CREATE TABLE user (
    pk INTEGER NOT NULL,
    login VARCHAR NOT NULL,
    password VARCHAR NOT NULL,
    firstname VARCHAR NOT NULL,
    lastname VARCHAR NOT NULL,
    email VARCHAR NOT NULL,
    enabled BOOLEAN NOT NULL,
    admin BOOLEAN NOT NULL,
    verified BOOLEAN DEFAULT '1' NOT NULL,
    modified INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (pk),
    UNIQUE (login)
);

CREATE TABLE user_group (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    displayname VARCHAR NOT NULL,
    UNIQUE (project, "key")
);

CREATE TABLE workflow (
    pk INTEGER NOT NULL,
    item VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    data_type VARCHAR NOT NULL,
    pipeline_name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    launch_time VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    scan_id VARCHAR NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (pk)
);

CREATE INDEX workflow_item ON workflow (item);

CREATE TABLE arrival_log (
    pk INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    time VARCHAR NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (pk),
    FOREIGN KEY(arrival) REFERENCES arrival (pk) ON DELETE CASCADE
);

CREATE INDEX arrival_log_arrival ON arrival_log (arrival);

CREATE TABLE arrival_scan (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    arrival INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    uid VARCHAR NOT NULL,
    number VARCHAR NOT NULL,
    xsi_type VARCHAR NOT NULL,
    fields TEXT NOT NULL,
    UNIQUE (arrival, uid),
    UNIQUE (arrival, id),
    FOREIGN KEY(arrival) REFERENCES arrival (pk) ON DELETE CASCADE
);

CREATE TABLE custom_field (
    item INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (item, name),
    FOREIGN KEY(item) REFERENCES item (pk) ON DELETE CASCADE
);

CREATE TABLE custom_form_use (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    form INTEGER NOT NULL,
    entity VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    UNIQUE (form, entity),
    FOREIGN KEY(form) REFERENCES custom_form (pk) ON DELETE CASCADE
);

CREATE TABLE project_pipeline (
    pk INTEGER NOT NULL,
    project VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    parameters TEXT NOT NULL,
    PRIMARY KEY (pk),
    UNIQUE (project, step),
    FOREIGN KEY(path) REFERENCES pipeline (path) ON DELETE CASCADE
);

CREATE TABLE resource (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    item INTEGER NOT NULL,
    side VARCHAR NOT NULL,
    label VARCHAR,
    format VARCHAR,
    content VARCHAR,
    description VARCHAR,
    tags VARCHAR,
    insert_date VARCHAR NOT NULL,
    insert_user VARCHAR NOT NULL,
    counted BOOLEAN,
    folder VARCHAR,
    told_count INTEGER,
    told_size INTEGER,
    FOREIGN KEY(item) REFERENCES item (pk) ON DELETE CASCADE
);

CREATE INDEX resource_item ON resource (item, side, label);

CREATE TABLE share (
    pk INTEGER NOT NULL,
    item INTEGER NOT NULL,
    project VARCHAR NOT NULL,
    label VARCHAR,
    insert_date VARCHAR,
    PRIMARY KEY (pk),
    UNIQUE (item, project),
    FOREIGN KEY(item) REFERENCES item (pk) ON DELETE CASCADE
);

CREATE INDEX share_project ON share (project, label);

CREATE TABLE version (
    pk INTEGER NOT NULL,
    item INTEGER NOT NULL,
    start_date VARCHAR NOT NULL,
    end_date VARCHAR NOT NULL,
    login VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    comment VARCHAR NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (pk),
    FOREIGN KEY(item) REFERENCES item (pk) ON DELETE CASCADE
);

CREATE INDEX version_item ON version (item);

CREATE TABLE arrival_file (
    pk INTEGER NOT NULL,
    scan INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    mtime_ns INTEGER NOT NULL,
    instance VARCHAR NOT NULL,
    sop_class VARCHAR NOT NULL,
    modality VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    PRIMARY KEY (pk),
    UNIQUE (scan, path),
    FOREIGN KEY(scan) REFERENCES arrival_scan (pk) ON DELETE CASCADE
);

CREATE TABLE file (
    pk INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    mtime_ns INTEGER NOT NULL,
    format VARCHAR,
    content VARCHAR,
    description VARCHAR,
    tags VARCHAR,
    meta TEXT,
    insert_date VARCHAR NOT NULL,
    insert_user VARCHAR NOT NULL,
    modified_date VARCHAR,
    modified_user VARCHAR,
    PRIMARY KEY (pk),
    UNIQUE (resource, path),
    FOREIGN KEY(resource) REFERENCES resource (pk) ON DELETE CASCADE
);
