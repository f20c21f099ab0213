CREATE TABLE users (
	id            VARCHAR(26)   COLLATE "C" NOT NULL PRIMARY KEY,
	username      VARCHAR(1024) NOT NULL,                    -- as typed
	username_key  VARCHAR(256)  COLLATE "C" NOT NULL UNIQUE, -- as compared
	email         VARCHAR(254)  NOT NULL DEFAULT '',         -- not verified, so not unique
	password_hash VARCHAR(512)  NOT NULL,
	roles         VARCHAR(528)  NOT NULL,                    -- sorted, a space between two
	is_admin      SMALLINT      NOT NULL,                    -- whether roles has admin
	disabled      SMALLINT      NOT NULL DEFAULT 0,
	created_at    BIGINT        NOT NULL,                    -- microseconds since 1970
	-- The digest of the row that a user was imported from, so that an import that is run again knows it.
	imported      VARCHAR(64)   COLLATE "C" NOT NULL DEFAULT ''
);

CREATE INDEX users_admins ON users (disabled) WHERE is_admin = 1;
CREATE INDEX users_imported ON users (imported) WHERE imported <> '';

-- Names that somebody had until lately, so that nobody else is taken for them.
CREATE TABLE reserved_names (
	username_key VARCHAR(256) COLLATE "C" NOT NULL PRIMARY KEY, -- as compared; never one that users has
	user_id      VARCHAR(26)  COLLATE "C" NOT NULL,             -- who had it, and may take it back
	ends_at      BIGINT       NOT NULL                          -- microseconds since 1970
);

CREATE INDEX reserved_names_ends_at ON reserved_names (ends_at);

-- Decides what work a login for a name takes that nobody has; the same in all processes.
CREATE TABLE decoy_secret (
	id     SMALLINT    NOT NULL PRIMARY KEY, -- 1
	secret VARCHAR(64) NOT NULL
);

INSERT INTO decoy_secret (id, secret)
VALUES (1, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

-- From where users have logged in, so that strangers who guess at an account do not keep its owner out.
CREATE TABLE user_places (
	user_id VARCHAR(26) COLLATE "C" NOT NULL,
	place   VARCHAR(64) COLLATE "C" NOT NULL, -- an IPv4 address, or the /64 of an IPv6 address
	used_at BIGINT      NOT NULL,             -- microseconds since 1970
	PRIMARY KEY (user_id, place)
);

CREATE INDEX user_places_used_at ON user_places (used_at);
