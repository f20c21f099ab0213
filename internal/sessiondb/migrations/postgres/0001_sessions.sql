-- Times are microseconds since 1970, in UTC; 0 is no time.

CREATE TABLE sessions (
	id            TEXT     COLLATE "C" NOT NULL PRIMARY KEY,
	subject       TEXT     COLLATE "C" NOT NULL,
	generation    BIGINT   NOT NULL,
	rotated_at    BIGINT   NOT NULL,
	created_at    BIGINT   NOT NULL,
	last_used_at  BIGINT   NOT NULL,
	idle_expiry   BIGINT   NOT NULL, -- never after expiry
	expiry        BIGINT   NOT NULL,
	auth_time     BIGINT   NOT NULL,
	revoked_at    BIGINT   NOT NULL,
	ip            TEXT     NOT NULL,
	user_agent    TEXT     NOT NULL,
	access_expiry BIGINT   NOT NULL, -- after it no access token of the session can be alive
	stepped_up    SMALLINT NOT NULL
);

CREATE INDEX sessions_by_subject ON sessions (subject, created_at, id);
CREATE INDEX sessions_by_idle_expiry ON sessions (idle_expiry);

CREATE TABLE revocations (
	sequence   BIGINT NOT NULL PRIMARY KEY, -- a number is never given again
	kind       TEXT   NOT NULL,
	revoked_id TEXT   COLLATE "C" NOT NULL, -- of the session, the token or the subject
	before     BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX revocations_by_expires_at ON revocations (expires_at);

-- For the question whether a subject has been changed since a number.
CREATE INDEX revocations_by_revoked_id ON revocations (revoked_id, sequence);

-- One row: which record of revocations this is, and the highest number that one has ever had.
CREATE TABLE revocation_epoch (
	id      SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
	epoch   TEXT     NOT NULL,
	highest BIGINT   NOT NULL DEFAULT 0
);

INSERT INTO revocation_epoch (id, epoch) VALUES (1, replace(gen_random_uuid()::text, '-', ''));
