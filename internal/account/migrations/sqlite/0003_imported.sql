-- The digest of the row that a user was imported from, so that an import that is run again knows it.
ALTER TABLE users ADD COLUMN imported VARCHAR(64) NOT NULL DEFAULT '';

CREATE INDEX users_imported ON users (imported) WHERE imported <> '';
