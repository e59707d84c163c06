-- From version 1 to 2. Whether a client was told to be heard is not known of older bindings.

BEGIN;

ALTER TABLE binding ADD COLUMN flow_timer INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 2;

COMMIT;
