-- The keystore: keys that lie here are wrapped, and what wraps them is elsewhere. It is a database of its own, so
-- that no backup of a ledger has a key in it, and so that the keystore's own backups may be few and short-lived.

DO $$
BEGIN
    BEGIN
        CREATE ROLE sealbook_keys NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- A maintenance role that is no superuser acts as this one only if it is one of them.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT sealbook_keys TO %I', current_user);
    END IF;
END
$$;

CREATE SCHEMA sealbook_keys;
GRANT USAGE ON SCHEMA sealbook_keys TO sealbook_keys;

-- Up to reconciled_to, the erasures in the ledger's log are carried out here.
CREATE TABLE sealbook_keys.state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    ledger uuid,
    reconciled_to bigint NOT NULL DEFAULT 0
);

-- The epochs whose root keys are this keystore's own. A retired one wraps nothing any more: its root key is destroyed
-- next, then its row goes.
CREATE TABLE sealbook_keys.epochs (
    epoch integer PRIMARY KEY,
    retired boolean NOT NULL DEFAULT false
);

-- The keys of events' MACs, of names' digests and of commands' digests. Of each purpose one is in force.
CREATE TABLE sealbook_keys.service_keys (
    purpose text NOT NULL CHECK (purpose IN ('mac', 'name', 'command')),
    key_id smallint NOT NULL CHECK (key_id BETWEEN 1 AND 255),
    epoch integer NOT NULL REFERENCES sealbook_keys.epochs,
    wrapped bytea NOT NULL,
    in_force boolean NOT NULL,
    PRIMARY KEY (purpose, key_id)
);
CREATE UNIQUE INDEX service_keys_in_force ON sealbook_keys.service_keys (purpose) WHERE in_force;

-- A bucket's key wraps the keys of its subjects. After destructions it is renewed by the next rotation: with the old
-- one, a backup of the keystore would still open what was destroyed.
CREATE TABLE sealbook_keys.buckets (
    bucket smallint PRIMARY KEY CHECK (bucket BETWEEN 0 AND 4095),
    version integer NOT NULL DEFAULT 1,
    epoch integer NOT NULL REFERENCES sealbook_keys.epochs,
    wrapped bytea NOT NULL,
    to_renew boolean NOT NULL DEFAULT false,
    UNIQUE (bucket, version)
);

CREATE TABLE sealbook_keys.subject_keys (
    subject uuid NOT NULL,
    key_class text NOT NULL,
    bucket smallint NOT NULL,
    bucket_version integer NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (subject, key_class),
    FOREIGN KEY (bucket, bucket_version) REFERENCES sealbook_keys.buckets (bucket, version)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX subject_keys_bucket ON sealbook_keys.subject_keys (bucket);

-- Subjects that never get a key again, and the position of the erasure.
CREATE TABLE sealbook_keys.destroyed (
    subject uuid PRIMARY KEY,
    position bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sealbook_keys TO sealbook_keys;
