CREATE TABLE worlds (
    world TEXT PRIMARY KEY,
    format INTEGER NOT NULL,
    head BYTEA NOT NULL,
    head_seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    writer BIGINT,
    writer_name TEXT,
    made TIMESTAMPTZ NOT NULL DEFAULT now(),
    written TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TABLE journal (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    seq_first BIGINT NOT NULL,
    count BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    prev_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (world, seq_first)
);

CREATE TABLE snapshots (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    row_hash BYTEA NOT NULL,
    journal_hash BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    bytes BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (world, seq)
);

CREATE TABLE pieces (
    world TEXT NOT NULL,
    seq BIGINT NOT NULL,
    number BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (world, seq, number),
    FOREIGN KEY (world, seq) REFERENCES snapshots ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE TABLE tape (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    place BIGSERIAL NOT NULL,
    hash BYTEA NOT NULL,
    n BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    agent TEXT NOT NULL,
    purpose TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    request BYTEA NOT NULL,
    outcome TEXT NOT NULL,
    answer BYTEA NOT NULL,
    tokens_in BIGINT NOT NULL,
    tokens_cached BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    asked_at TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    origin TEXT NOT NULL,
    PRIMARY KEY (world, hash, n, agent)
);
CREATE INDEX tape_in_order ON tape (world, place);

CREATE TABLE series (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    place BIGSERIAL NOT NULL,
    seq BIGINT NOT NULL,
    time TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    value DOUBLE PRECISION,
    PRIMARY KEY (world, time, name)
);
CREATE INDEX series_in_order ON series (world, place);

CREATE TABLE agent_series (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    place BIGSERIAL NOT NULL,
    seq BIGINT NOT NULL,
    time TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    columns TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (world, time, number)
);
CREATE INDEX agent_series_in_order ON agent_series (world, place);

CREATE TABLE meta (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    key TEXT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (world, key)
);

-- Bodies are packed already.
ALTER TABLE journal ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE snapshots ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE pieces ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE agent_series ALTER COLUMN body SET STORAGE EXTERNAL;

-- Each writer has a number, and holds the advisory lock of that number for as long as it lives.
CREATE SEQUENCE writers;
