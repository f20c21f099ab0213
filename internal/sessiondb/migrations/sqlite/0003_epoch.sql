-- One row: which record of revocations this is.
CREATE TABLE revocation_epoch (
	id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	epoch TEXT    NOT NULL
) STRICT;

INSERT INTO revocation_epoch (id, epoch) VALUES (1, lower(hex(randomblob(16))));
