ALTER TABLE worlds ADD COLUMN served_at TEXT;
