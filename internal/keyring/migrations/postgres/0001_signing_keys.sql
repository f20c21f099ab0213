CREATE TABLE signing_keys (
	id           VARCHAR(256) COLLATE "C" NOT NULL PRIMARY KEY, -- the "kid"
	algorithm    VARCHAR(16)  NOT NULL,
	state        VARCHAR(8)   NOT NULL CHECK (state IN ('next', 'active', 'retired', 'gone')),
	sealed       BYTEA        NOT NULL, -- the private JWK, encrypted; empty once the key is gone
	sealed_by    VARCHAR(32)  NOT NULL, -- which secret it is sealed under
	created_at   BIGINT       NOT NULL, -- this and the next in microseconds since 1970, 0 for not yet
	activated_at BIGINT       NOT NULL DEFAULT 0,
	retired_at   BIGINT       NOT NULL DEFAULT 0,
	gone_at      BIGINT       NOT NULL DEFAULT 0
);

-- One key signs, and one is next, whoever writes at the same time.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (state) WHERE state = 'next';
