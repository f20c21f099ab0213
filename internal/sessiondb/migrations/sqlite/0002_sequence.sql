-- access_expiry: the time after which no access token of the session can be alive. Of the sessions that are
-- here already it is not known how long their tokens live; no issuer makes one that lives for more than a day.
ALTER TABLE sessions ADD COLUMN access_expiry INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET access_expiry = last_used_at + 86700000000;

ALTER TABLE sessions ADD COLUMN stepped_up INTEGER NOT NULL DEFAULT 0;

-- For the question whether a subject has been changed since a number.
CREATE INDEX revocations_by_revoked_id ON revocations (revoked_id, sequence);
