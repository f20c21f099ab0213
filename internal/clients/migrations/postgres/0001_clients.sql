-- Programs that act for themselves, or ask about the tokens of others.
CREATE TABLE clients (
	id                  VARCHAR(33)   COLLATE "C" NOT NULL PRIMARY KEY,
	name                VARCHAR(64)   COLLATE "C" NOT NULL UNIQUE,
	scopes              VARCHAR(4096) NOT NULL,            -- sorted, a space between two
	secret_hash         VARCHAR(64)   NOT NULL,            -- SHA-256, in hexadecimal
	secret_made_at      BIGINT        NOT NULL,            -- microseconds since 1970, as all times
	previous_hash       VARCHAR(64)   NOT NULL DEFAULT '', -- of the secret before
	previous_expires_at BIGINT        NOT NULL DEFAULT 0,  -- until then it is accepted, too
	disabled            SMALLINT      NOT NULL DEFAULT 0,
	created_at          BIGINT        NOT NULL
);
