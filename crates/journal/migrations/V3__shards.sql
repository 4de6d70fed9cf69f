-- Work that the writer of a world gives away, and those who take it. It is of no worth once it is done, so nothing of it
-- is kept when the server dies.
CREATE UNLOGGED TABLE followers (
    number BIGINT NOT NULL,
    world TEXT NOT NULL,
    reading TEXT NOT NULL,
    threads BIGINT NOT NULL,
    PRIMARY KEY (number, reading)
);
CREATE UNLOGGED TABLE shards (
    world TEXT NOT NULL REFERENCES worlds ON UPDATE CASCADE ON DELETE CASCADE,
    giver BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    part BIGINT NOT NULL,
    state TEXT NOT NULL,
    reading TEXT NOT NULL,
    taker BIGINT,
    body BYTEA NOT NULL,
    PRIMARY KEY (world, giver, seq, turn, part)
);
