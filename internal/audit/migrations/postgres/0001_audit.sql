CREATE TABLE audit (
	id         BIGINT       GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again, even if swept
	at         BIGINT       NOT NULL,            -- microseconds since 1970
	event      VARCHAR(64)  NOT NULL,
	user_id    VARCHAR(256) COLLATE "C" NOT NULL DEFAULT '', -- whom it concerns
	actor_id   VARCHAR(256) COLLATE "C" NOT NULL DEFAULT '', -- who did it, if that is somebody else
	session_id VARCHAR(256) COLLATE "C" NOT NULL DEFAULT '',
	token_id   VARCHAR(256) NOT NULL DEFAULT '', -- "jti" of an access token
	key_id     VARCHAR(256) NOT NULL DEFAULT '', -- "kid" of a signing key
	reason     VARCHAR(256) NOT NULL DEFAULT '', -- the code of a refusal
	detail     VARCHAR(256) NOT NULL DEFAULT '', -- the new roles, the new state of a key
	ip         VARCHAR(256) NOT NULL DEFAULT '',
	request_id VARCHAR(256) NOT NULL DEFAULT ''
);

CREATE INDEX audit_user ON audit (user_id, id);
CREATE INDEX audit_event ON audit (event, id);
