-- What the service works with: webhooks, what is outstanding of them, and jobs. These tables are no ledger: the
-- application reads and writes them as it likes, they are in no seal, and losing them loses no fact.

SET LOCAL ROLE sealbook_owner;

-- Everything up to the position was delivered, stands in webhook_deliveries, or is not wanted. The secrets are sealed
-- under a key of the service, bound to the id; the old one signs beside the new one until its time is over.
CREATE TABLE sealbook.webhooks (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    events text[] NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    paused_because text,
    position bigint NOT NULL,
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz
);

-- Which events are outstanding or given up, not what they say: that is read from the log. Of a stream, the lowest
-- position goes first, and the others wait for it.
CREATE TABLE sealbook.webhook_deliveries (
    webhook uuid NOT NULL REFERENCES sealbook.webhooks ON DELETE CASCADE,
    position bigint NOT NULL,
    stream uuid NOT NULL,
    version integer NOT NULL,
    event text NOT NULL,
    dead boolean NOT NULL,
    attempts integer NOT NULL,
    first_tried_at timestamptz,
    next_at timestamptz NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (webhook, position)
);
CREATE INDEX webhook_deliveries_waiting ON sealbook.webhook_deliveries (webhook, stream, position) WHERE NOT dead;
CREATE INDEX webhook_deliveries_dead ON sealbook.webhook_deliveries (webhook, position) WHERE dead;

-- Work that takes longer than a request: what was asked, how far it is, and what came of it.
CREATE TABLE sealbook.jobs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    request jsonb NOT NULL,
    state text NOT NULL,
    progress jsonb,
    result jsonb,
    error text,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    cancel_requested boolean NOT NULL DEFAULT false
);
CREATE INDEX jobs_created_at ON sealbook.jobs (created_at, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON sealbook.webhooks, sealbook.webhook_deliveries, sealbook.jobs TO sealbook_app;

RESET ROLE;
