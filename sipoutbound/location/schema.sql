-- The bindings of the location service, one row each. Version 2.
--
-- Texts are as the client sent them. What is registered now:
--     SELECT aor, reg_id, contact, datetime(expires, 'unixepoch') FROM binding ORDER BY aor;

BEGIN;

CREATE TABLE binding (
    aor        TEXT    NOT NULL,  -- user@host
    key        TEXT    NOT NULL,  -- reg-id and instance (RFC 5626 6), or the Contact URI
    instance   TEXT,              -- the instance-id
    reg_id     INTEGER,           -- where RFC 5626 was applied
    contact    TEXT    NOT NULL,  -- the Contact URI
    params     TEXT    NOT NULL,  -- its parameters
    path       TEXT    NOT NULL,  -- the Path values, topmost first, one a line
    flow       TEXT    NOT NULL,  -- the flow of this server that reaches the client
    q          REAL    NOT NULL,  -- 0 to 1
    expires    INTEGER NOT NULL,  -- seconds since 1970
    updated    REAL    NOT NULL,  -- seconds since 1970
    call_id    TEXT    NOT NULL,
    cseq       INTEGER NOT NULL,
    user_agent TEXT    NOT NULL,
    flow_timer INTEGER NOT NULL,  -- how often the client was told to be heard, in seconds; 0: not told
    PRIMARY KEY (aor, key)
) WITHOUT ROWID;

PRAGMA user_version = 2;

COMMIT;
