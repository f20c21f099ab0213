-- Names that somebody had until lately, so that nobody else is taken for them.
CREATE TABLE reserved_names (
	username_key VARCHAR(256) NOT NULL PRIMARY KEY, -- as compared; never one that users has
	user_id      VARCHAR(26)  NOT NULL,             -- who had it, and may take it back
	ends_at      BIGINT       NOT NULL              -- microseconds since 1970
);

CREATE INDEX reserved_names_ends_at ON reserved_names (ends_at);
