-- The highest number that a revocation has ever had, so that the next one is over it whatever has been swept.
ALTER TABLE revocation_epoch ADD COLUMN highest INTEGER NOT NULL DEFAULT 0;

UPDATE revocation_epoch SET highest = MAX(
	COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'revocations'), 0),
	COALESCE((SELECT MAX(sequence) FROM revocations), 0));
