-- From where users have logged in, so that strangers who guess at an account do not keep its owner out.
CREATE TABLE user_places (
	user_id VARCHAR(26) NOT NULL,
	place   VARCHAR(64) NOT NULL, -- an IPv4 address, or the /64 of an IPv6 address
	used_at BIGINT      NOT NULL, -- microseconds since 1970
	PRIMARY KEY (user_id, place)
);

CREATE INDEX user_places_used_at ON user_places (used_at);
