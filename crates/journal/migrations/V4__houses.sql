-- A process that serves many worlds has a number, and holds the advisory lock of that number for as long as it lives.
CREATE TABLE houses (
    number BIGINT PRIMARY KEY,
    url TEXT NOT NULL,
    share BIGINT
);

-- A world is held by a living house, or by none. How it stands when it is not loaded is worth nothing once another
-- has written to it since: then its epoch is a later one.
ALTER TABLE worlds
    ADD COLUMN holder BIGINT,
    ADD COLUMN stands TEXT,
    ADD COLUMN stands_epoch BIGINT,
    ADD COLUMN speed DOUBLE PRECISION,
    ADD COLUMN due BIGINT;
