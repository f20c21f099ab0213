CREATE TABLE users (
	id            VARCHAR(26)   NOT NULL PRIMARY KEY,
	username      VARCHAR(1024) NOT NULL,            -- as typed
	username_key  VARCHAR(256)  NOT NULL UNIQUE,     -- as compared
	email         VARCHAR(254)  NOT NULL DEFAULT '', -- not verified, so not unique
	password_hash VARCHAR(512)  NOT NULL,
	roles         VARCHAR(528)  NOT NULL,            -- sorted, a space between two
	is_admin      SMALLINT      NOT NULL,            -- whether roles has admin
	disabled      SMALLINT      NOT NULL DEFAULT 0,
	created_at    BIGINT        NOT NULL             -- microseconds since 1970
);

CREATE INDEX users_admins ON users (disabled) WHERE is_admin = 1;
