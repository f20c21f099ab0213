-- The digest of the row that a user was imported from, so that an import that is run again knows it.
ALTER TABLE users ADD COLUMN imported VARCHAR(64) NOT NULL DEFAULT '';

CREATE INDEX users_imported ON users (imported) WHERE imported <> '';

-- Decides what work a login for a name takes that nobody has; the same in all processes.
CREATE TABLE decoy_secret (
	id     SMALLINT    NOT NULL PRIMARY KEY, -- 1
	secret VARCHAR(64) NOT NULL
);

INSERT INTO decoy_secret (id, secret) VALUES (1, lower(hex(randomblob(32))));
