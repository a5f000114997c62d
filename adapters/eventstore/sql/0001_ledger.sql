-- The ledger: books, events, heads, names, commands and imports, and the one function that writes them.
-- Roles are the cluster's, so they may be there already; the schema is this database's own.

DO $$
BEGIN
    BEGIN
        CREATE ROLE sealbook_owner NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE sealbook_app NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- A maintenance role that is no superuser gives to these roles only as one of them.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT sealbook_owner, sealbook_app TO %I', current_user);
    END IF;
END
$$;

CREATE SCHEMA sealbook AUTHORIZATION sealbook_owner;
CREATE SCHEMA sealbook_read AUTHORIZATION sealbook_app;
SET LOCAL ROLE sealbook_owner;

-- key_check tells a wrong key file from the ledger's own before anything is written with it.
CREATE TABLE sealbook.ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id uuid NOT NULL,
    books smallint NOT NULL,
    created_at timestamptz NOT NULL,
    key_check bytea NOT NULL
);

-- A book is the unit of order: its row is locked first by every append, and only by appends.
-- Command ids of days before commands_from are gone.
CREATE TABLE sealbook.books (
    book smallint PRIMARY KEY,
    commands_from date NOT NULL DEFAULT '-infinity',
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE sealbook.events (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    stream uuid NOT NULL,
    version integer NOT NULL,
    book smallint NOT NULL,
    salt bytea NOT NULL,
    mac bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (book, position),
    UNIQUE (book, stream, version)
);

-- The last version of a stream and the state folded up to it: what a decision reads, and what the
-- append compares. latest_at is the latest moment that its events speak of. A library's own stream has neither.
CREATE TABLE sealbook.heads (
    book smallint NOT NULL,
    stream uuid NOT NULL,
    version integer NOT NULL,
    latest_at timestamptz,
    state bytea,
    PRIMARY KEY (book, stream)
) WITH (fillfactor = 70);

-- Names are keyed digests: they are found by, and never read. Their owner is whose erasure takes them along.
CREATE TABLE sealbook.names (
    book smallint NOT NULL,
    kind text NOT NULL,
    digest bytea NOT NULL,
    stream uuid NOT NULL,
    owner uuid NOT NULL,
    PRIMARY KEY (book, kind, digest)
);
CREATE INDEX names_owner ON sealbook.names (book, owner, stream);

-- What can be read of a person: names, and what else the bank keeps of a subject, each under a key of its owner's.
CREATE TABLE sealbook.vault (
    book smallint NOT NULL,
    subject uuid NOT NULL,
    field text NOT NULL,
    owner uuid NOT NULL,
    key_class text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (book, subject, field)
);
CREATE INDEX vault_owner ON sealbook.vault (book, owner);

-- Whose keys are to be destroyed, and the position of the event that says so.
CREATE TABLE sealbook.erasures (
    book smallint NOT NULL,
    position bigint NOT NULL,
    subject uuid NOT NULL,
    PRIMARY KEY (book, position, subject)
);
CREATE INDEX erasures_subject ON sealbook.erasures (book, subject);

-- What became of a command, by its id. The day is the one that the id itself says (UUIDv7), else that of
-- the recording: an id that says its day is looked for in one partition, and whole days are dropped.
-- The columns stand in an order that needs no padding.
CREATE TABLE sealbook.commands (
    position bigint,
    command uuid NOT NULL,
    stream uuid,
    day date NOT NULL,
    book smallint NOT NULL,
    digest bytea NOT NULL,
    refusal text,
    PRIMARY KEY (book, command, day)
) PARTITION BY RANGE (day);
CREATE TABLE sealbook.commands_default PARTITION OF sealbook.commands DEFAULT;

CREATE TABLE sealbook.imports (
    book smallint NOT NULL,
    digest bytea NOT NULL,
    options text NOT NULL,
    lines_done bigint NOT NULL,
    finished boolean NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (book, digest)
);

-- How far a reader of the log has come, written in the transaction that writes what it made of it.
CREATE TABLE sealbook.tracking (
    name text PRIMARY KEY,
    position bigint NOT NULL
);

-- Streams of erased customers that are kept only because a law asks for it: out of the log, and still in the seal.
-- A record whose time is over has no salt, MAC and body any more; its commitment stays.
CREATE TABLE sealbook.streams_apart (
    book smallint NOT NULL,
    stream uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (book, stream)
);
CREATE TABLE sealbook.events_apart (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    stream uuid NOT NULL,
    version integer NOT NULL,
    book smallint NOT NULL,
    kind smallint NOT NULL,
    commitment bytea NOT NULL,
    salt bytea,
    mac bytea,
    body bytea,
    PRIMARY KEY (book, position),
    UNIQUE (book, stream, version)
);

-- Append-only for real: not even the owner changes an event by accident. What is set apart already may go from the
-- log, and what is apart may lose its body.
CREATE FUNCTION sealbook.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'events' AND TG_OP = 'DELETE' THEN
        IF EXISTS (
            SELECT FROM sealbook.events_apart a
            WHERE (a.book, a.position, a.stream, a.version, a.recorded_at, a.commitment) = (OLD.book, OLD.position,
                OLD.stream, OLD.version, OLD.recorded_at, sealbook.commitment(OLD.salt, OLD.body))
        ) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_TABLE_NAME = 'events_apart' AND TG_OP = 'UPDATE' THEN
        IF NEW.salt IS NULL AND NEW.mac IS NULL AND NEW.body IS NULL
            AND (NEW.book, NEW.position, NEW.stream, NEW.version, NEW.recorded_at, NEW.kind, NEW.commitment)
            = (OLD.book, OLD.position, OLD.stream, OLD.version, OLD.recorded_at, OLD.kind, OLD.commitment)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% are append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sealbook.events
    FOR EACH ROW EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON sealbook.events
    FOR EACH STATEMENT EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sealbook.events_apart
    FOR EACH ROW EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON sealbook.events_apart
    FOR EACH STATEMENT EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sealbook.erasures
    FOR EACH ROW EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON sealbook.erasures
    FOR EACH STATEMENT EXECUTE FUNCTION sealbook.refuse_change();

-- Look-ups below stand in LATERAL subqueries with OFFSET 0, one index probe a row, and with no scan of a whole
-- table to choose: a plan must not depend on how big the tables were when it was made.

CREATE FUNCTION sealbook.carried_out(p_book smallint, p_commands uuid[], p_days integer[])
RETURNS SETOF sealbook.commands LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    -- An id that says its day is in that day's partition or nowhere.
    RETURN QUERY SELECT known.* FROM unnest(p_commands, p_days) AS c (command, day)
        CROSS JOIN LATERAL (
            SELECT k.* FROM sealbook.commands k
            WHERE k.book = p_book AND k.command = c.command AND k.day = DATE '1970-01-01' + c.day OFFSET 0
        ) AS known;
    IF array_position(p_days, NULL) IS NOT NULL THEN
        RETURN QUERY SELECT known.* FROM unnest(p_commands, p_days) AS c (command, day)
            CROSS JOIN LATERAL (
                SELECT k.* FROM sealbook.commands k WHERE k.book = p_book AND k.command = c.command OFFSET 0
            ) AS known
            WHERE c.day IS NULL;
    END IF;
END
$$;

-- What a batch of decisions reads, in one statement and so from one snapshot.
CREATE FUNCTION sealbook.load(
    p_book smallint, p_streams uuid[], p_kinds text[], p_digests bytea[], p_commands uuid[], p_days integer[]
) RETURNS TABLE (
    what text, stream uuid, version integer, state bytea, latest_at timestamptz, digest bytea, refusal text,
    command uuid, "position" bigint
) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH named AS MATERIALIZED (
        SELECT wanted.kind, wanted.digest, n.stream
        FROM unnest(p_kinds, p_digests) AS wanted (kind, digest)
        CROSS JOIN LATERAL (
            SELECT t.stream FROM sealbook.names t
            WHERE t.book = p_book AND t.kind = wanted.kind AND t.digest = wanted.digest OFFSET 0
        ) AS n
    )
    SELECT 'head', h.stream, h.version, h.state, h.latest_at, NULL::bytea, NULL::text, NULL::uuid, NULL::bigint
    FROM sealbook.heads h
    WHERE h.book = p_book AND h.stream = ANY (p_streams || ARRAY(SELECT named.stream FROM named))
    UNION ALL
    SELECT 'name', named.stream, NULL, NULL, NULL, named.digest, named.kind, NULL, NULL FROM named
    UNION ALL
    SELECT 'command', k.stream, NULL, NULL, NULL, k.digest, k.refusal, k.command, k.position
    FROM sealbook.carried_out(p_book, p_commands, p_days) AS k;
END
$$;

CREATE FUNCTION sealbook.lock_book(p_book smallint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT FROM sealbook.books WHERE book = p_book FOR UPDATE
$$;

-- Everything that belongs to somebody, or is kept of it. Called by what follows, never by the application.
CREATE FUNCTION sealbook.forget(p_book smallint, p_owners uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    DELETE FROM sealbook.names t WHERE t.book = p_book AND t.owner = ANY (p_owners);
    DELETE FROM sealbook.vault t WHERE t.book = p_book AND t.owner = ANY (p_owners);
    DELETE FROM sealbook.vault t WHERE t.book = p_book AND t.subject = ANY (p_owners);
END
$$;

-- Once more what erasures after a position have deleted: a value may have come in between erasure and key.
CREATE FUNCTION sealbook.forget_erased(p_book smallint, p_after bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT sealbook.forget(
        p_book, ARRAY(SELECT e.subject FROM sealbook.erasures e WHERE e.book = p_book AND e.position > p_after)
    )
$$;

-- Keep a value, unless its owner was erased; false then. Under the book, so that no erasure passes it by. Readable
-- names, name:..., come and go by the append alone.
CREATE FUNCTION sealbook.vault_put(
    p_book smallint, p_subject uuid, p_field text, p_owner uuid, p_class text, p_sealed bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF starts_with(p_field, 'name:') THEN
        RAISE EXCEPTION 'the vault''s field % is the ledger''s own', p_field USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM FROM sealbook.books WHERE book = p_book FOR UPDATE;
    IF EXISTS (SELECT FROM sealbook.erasures e WHERE e.book = p_book AND e.subject IN (p_owner, p_subject)) THEN
        RETURN false;
    END IF;
    INSERT INTO sealbook.vault AS v (book, subject, field, owner, key_class, sealed)
    VALUES (p_book, p_subject, p_field, p_owner, p_class, p_sealed)
    ON CONFLICT (book, subject, field)
    DO UPDATE SET owner = excluded.owner, key_class = excluded.key_class, sealed = excluded.sealed;
    RETURN true;
END
$$;

CREATE FUNCTION sealbook.vault_forget(p_book smallint, p_subject uuid, p_field text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF starts_with(p_field, 'name:') THEN
        RAISE EXCEPTION 'the vault''s field % is the ledger''s own', p_field USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM sealbook.vault v WHERE v.book = p_book AND v.subject = p_subject AND v.field = p_field;
END
$$;

-- The append. Groups stand or fall each by itself: one whose heads moved, whose name is taken or
-- whose command was carried out, or may have been on a day that is gone, is left out and reported;
-- the others are written, densely and in their order. A name that has a readable form (n_sealed) is kept in the
-- vault as well. What is erased (x_...) is all of an owner's, or only what is kept of one subject of that owner's.
CREATE FUNCTION sealbook.append(
    p_book smallint, p_whole boolean,
    r_group integer[], r_stream uuid[], r_expected integer[],
    h_group integer[], h_stream uuid[], h_expected integer[], h_version integer[], h_latest timestamptz[],
    h_state bytea[],
    e_group integer[], e_stream uuid[], e_version integer[], e_salt bytea[], e_mac bytea[], e_body bytea[],
    n_group integer[], n_kind text[], n_digest bytea[], n_stream uuid[], n_owner uuid[], n_sealed bytea[],
    x_group integer[], x_owner uuid[], x_subject uuid[], x_event integer[],
    c_group integer[], c_command uuid[], c_day integer[], c_digest bytea[], c_refusal text[], c_stream uuid[],
    c_event integer[],
    i_digest bytea, i_options text, i_before bigint, i_done bigint, i_finished boolean
) RETURNS TABLE (
    what text, grp integer, stream uuid, version integer, state bytea, latest_at timestamptz, digest bytea,
    refusal text, command uuid, "position" bigint, recorded_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_last bigint;
    v_at timestamptz;
    v_from date;
    v_left integer[];
    v_offset bigint[];
    v_count integer := cardinality(e_stream);
    v_heads tid[];
    v_found integer;
    v_erased uuid[];
BEGIN
    -- No two appends bear one recorded_at, so that a moment of knowledge is a position.
    -- The book's row before any other lock: in any other order two appends deadlock. What follows
    -- is in statements of their own, so each sees what was committed before the lock was got.
    UPDATE sealbook.books b
    SET position = b.position + v_count, recorded_at = greatest(b.recorded_at + interval '1 microsecond', clock_timestamp())
    WHERE b.book = p_book RETURNING b.position - v_count, b.recorded_at, b.commands_from INTO v_last, v_at, v_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'book % is not in this ledger', p_book;
    END IF;

    SELECT coalesce(array_agg(DISTINCT left_out.grp), '{}') INTO v_left FROM (
        SELECT r.grp FROM unnest(r_group, r_stream, r_expected) AS r (grp, stream, expected)
        LEFT JOIN LATERAL (
            SELECT t.version FROM sealbook.heads t WHERE t.book = p_book AND t.stream = r.stream OFFSET 0
        ) AS h ON true
        WHERE CASE WHEN h.version IS NULL THEN r.expected > 0 ELSE h.version <> r.expected END
        UNION ALL
        SELECT n.grp FROM unnest(n_group, n_kind, n_digest) AS n (grp, kind, digest)
        WHERE EXISTS (
            SELECT FROM sealbook.names t
            WHERE t.book = p_book AND t.kind = n.kind AND t.digest = n.digest OFFSET 0
        )
        UNION ALL
        SELECT c.grp FROM sealbook.carried_out(p_book, c_command, c_day) AS k
        JOIN unnest(c_group, c_command) AS c (grp, command) ON c.command = k.command
        UNION ALL
        SELECT c.grp FROM unnest(c_group, c_day) AS c (grp, day) WHERE DATE '1970-01-01' + c.day < v_from
    ) AS left_out;

    IF cardinality(v_left) > 0 THEN
        IF p_whole THEN
            v_left := ARRAY(SELECT DISTINCT g FROM unnest(r_group || e_group || c_group) AS g);
        END IF;
        -- By an event's place among those sent, how many up to it are written.
        v_offset := ARRAY(SELECT count(*) FILTER (WHERE e.grp <> ALL (v_left)) OVER (ORDER BY e.n)
            FROM unnest(e_group) WITH ORDINALITY AS e (grp, n) ORDER BY e.n);
        UPDATE sealbook.books b SET position = v_last + coalesce(v_offset[v_count], 0) WHERE b.book = p_book;
        RETURN QUERY SELECT 'left', g, NULL::uuid, NULL::integer, NULL::bytea, NULL::timestamptz, NULL::bytea,
            NULL::text, NULL::uuid, NULL::bigint, NULL::timestamptz FROM unnest(v_left) AS g;
        RETURN QUERY SELECT DISTINCT 'head', NULL::integer, r.stream, coalesce(h.version, 0), h.state, h.latest_at,
            NULL::bytea, NULL::text, NULL::uuid, NULL::bigint, NULL::timestamptz
            FROM unnest(r_stream, r_expected) AS r (stream, expected)
            LEFT JOIN LATERAL (
                SELECT t.version, t.state, t.latest_at FROM sealbook.heads t WHERE t.book = p_book AND t.stream = r.stream OFFSET 0
            ) AS h ON true
            WHERE CASE WHEN h.version IS NULL THEN r.expected > 0 ELSE h.version <> r.expected END;
        RETURN QUERY SELECT 'name', NULL::integer, t.stream, NULL::integer, NULL::bytea, NULL::timestamptz, n.digest,
            n.kind, NULL::uuid, NULL::bigint, NULL::timestamptz
            FROM unnest(n_kind, n_digest) AS n (kind, digest)
            CROSS JOIN LATERAL (
                SELECT t.stream FROM sealbook.names t
                WHERE t.book = p_book AND t.kind = n.kind AND t.digest = n.digest OFFSET 0
            ) AS t;
        RETURN QUERY SELECT 'command', NULL::integer, k.stream, NULL::integer, NULL::bytea, NULL::timestamptz,
            k.digest, k.refusal, k.command, k.position, NULL::timestamptz
            FROM sealbook.carried_out(p_book, c_command, c_day) AS k;
        RETURN QUERY SELECT 'forgotten', NULL::integer, NULL::uuid, NULL::integer, NULL::bytea, NULL::timestamptz,
            NULL::bytea, NULL::text, c.command, NULL::bigint, NULL::timestamptz
            FROM unnest(c_command, c_day) AS c (command, day) WHERE DATE '1970-01-01' + c.day < v_from;
    END IF;

    INSERT INTO sealbook.events (position, recorded_at, stream, version, book, salt, mac, body)
    SELECT v_last + coalesce(v_offset[e.n], e.n), v_at, e.stream, e.version, p_book, e.salt, e.mac, e.body
    FROM unnest(e_group, e_stream, e_version, e_salt, e_mac, e_body)
        WITH ORDINALITY AS e (grp, stream, version, salt, mac, body, n)
    WHERE e.grp <> ALL (v_left);

    INSERT INTO sealbook.commands (book, command, day, digest, refusal, stream, position)
    SELECT p_book, c.command, coalesce(DATE '1970-01-01' + c.day, (v_at AT TIME ZONE 'UTC')::date), c.digest,
        c.refusal, c.stream, v_last + coalesce(v_offset[c.event], c.event)
    FROM unnest(c_group, c_command, c_day, c_digest, c_refusal, c_stream, c_event)
        AS c (grp, command, day, digest, refusal, stream, event)
    WHERE c.grp <> ALL (v_left);

    -- A head is updated where its version is the expected one and inserted only for a new stream;
    -- an upsert with the same condition would accept a missing head. Found by their rows' places, which
    -- nobody moves while the book is held, so that no plan can scan the table.
    v_heads := ARRAY(
        SELECT h.ctid FROM unnest(h_stream, h_expected) WITH ORDINALITY AS m (stream, expected, n)
        LEFT JOIN LATERAL (
            SELECT t.ctid FROM sealbook.heads t
            WHERE t.book = p_book AND t.stream = m.stream AND t.version = m.expected OFFSET 0
        ) AS h ON true
        ORDER BY m.n
    );
    UPDATE sealbook.heads t SET version = m.version, latest_at = m.latest, state = m.state
    FROM unnest(v_heads, h_group, h_version, h_latest, h_state) AS m (place, grp, version, latest, state)
    WHERE t.ctid = m.place AND m.grp <> ALL (v_left);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    INSERT INTO sealbook.heads (book, stream, version, latest_at, state)
    SELECT p_book, m.stream, m.version, m.latest, m.state
    FROM unnest(v_heads, h_group, h_stream, h_expected, h_version, h_latest, h_state)
        AS m (place, grp, stream, expected, version, latest, state)
    WHERE m.place IS NULL AND m.expected <= 0 AND m.grp <> ALL (v_left);
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_count + v_found <> (SELECT count(*) FROM unnest(h_group) AS g WHERE g <> ALL (v_left)) THEN
        RAISE EXCEPTION 'heads moved under the lock: % were as expected', v_count + v_found;
    END IF;

    IF cardinality(n_group) > 0 THEN
        INSERT INTO sealbook.names (book, kind, digest, stream, owner)
        SELECT p_book, n.kind, n.digest, n.stream, n.owner
        FROM unnest(n_group, n_kind, n_digest, n_stream, n_owner) AS n (grp, kind, digest, stream, owner)
        WHERE n.grp <> ALL (v_left);
        INSERT INTO sealbook.vault (book, subject, field, owner, key_class, sealed)
        SELECT p_book, n.stream, 'name:' || n.kind, n.owner, 'record', n.sealed
        FROM unnest(n_group, n_kind, n_stream, n_owner, n_sealed) AS n (grp, kind, stream, owner, sealed)
        WHERE n.sealed IS NOT NULL AND n.grp <> ALL (v_left);
    END IF;

    IF cardinality(x_owner) > 0 THEN
        INSERT INTO sealbook.erasures (book, position, subject)
        SELECT p_book, v_last + coalesce(v_offset[x.event], x.event), x.owner
        FROM unnest(x_group, x_owner, x_subject, x_event) AS x (grp, owner, subject, event)
        WHERE x.subject IS NULL AND x.grp <> ALL (v_left);
        PERFORM sealbook.forget(p_book, ARRAY(
            SELECT x.owner FROM unnest(x_group, x_owner, x_subject) AS x (grp, owner, subject)
            WHERE x.subject IS NULL AND x.grp <> ALL (v_left)
        ));
        v_erased := ARRAY(
            SELECT x.subject FROM unnest(x_group, x_subject) AS x (grp, subject)
            WHERE x.subject IS NOT NULL AND x.grp <> ALL (v_left)
        );
        DELETE FROM sealbook.names t
        WHERE t.book = p_book AND t.owner = ANY (x_owner) AND t.stream = ANY (v_erased);
        DELETE FROM sealbook.vault t WHERE t.book = p_book AND t.subject = ANY (v_erased);
    END IF;

    IF i_digest IS NOT NULL AND cardinality(v_left) = 0 THEN
        UPDATE sealbook.imports t SET lines_done = i_done, finished = i_finished, recorded_at = v_at
        WHERE t.book = p_book AND t.digest = i_digest AND t.options = i_options AND t.lines_done = i_before;
        IF NOT FOUND THEN
            IF i_before <> 0 THEN
                RAISE EXCEPTION 'another import of this file is under way' USING ERRCODE = 'unique_violation';
            END IF;
            INSERT INTO sealbook.imports (book, digest, options, lines_done, finished, recorded_at)
            VALUES (p_book, i_digest, i_options, i_done, i_finished, v_at);
        END IF;
    END IF;

    RETURN QUERY SELECT 'at', NULL::integer, NULL::uuid, NULL::integer, NULL::bytea, NULL::timestamptz, NULL::bytea,
        NULL::text, NULL::uuid, v_last, v_at;
END
$$;

-- What a leaf of the seal says of a body (docs/proofs.md).
CREATE FUNCTION sealbook.commitment(p_salt bytea, p_body bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256('sb1'::bytea || p_salt || p_body)
$$;

-- Move streams out of the log, all of them, or none if one is not at its version: somebody judged by that; false then.
-- Their heads stay and say nothing, so that an id is never given anew. Under the book: nothing is appended meanwhile.
-- Run by the maintenance role, which has the read models built anew.
CREATE FUNCTION sealbook.set_apart(
    p_book smallint, p_streams uuid[], p_versions integer[], p_ended_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM sealbook.books WHERE book = p_book FOR UPDATE;
    IF EXISTS (
        SELECT FROM unnest(p_streams, p_versions) AS s (stream, version)
        LEFT JOIN sealbook.heads h ON h.book = p_book AND h.stream = s.stream
        WHERE h.version IS DISTINCT FROM s.version
    ) THEN
        RETURN false;
    END IF;
    INSERT INTO sealbook.streams_apart (book, stream, ended_at)
    SELECT p_book, s, p_ended_at FROM unnest(p_streams) AS s ON CONFLICT DO NOTHING;
    INSERT INTO sealbook.events_apart (position, recorded_at, stream, version, book, kind, commitment, salt, mac, body)
    SELECT e.position, e.recorded_at, e.stream, e.version, e.book,
        -- An erasure's leaf is of a kind of its own; a body begins with the head of an array, then the name's.
        CASE WHEN substr(e.body, 3, 27) = 'customer.personal_data_eras'::bytea
            OR substr(e.body, 3, 27) = 'credential.personal_data_er'::bytea THEN 3 ELSE 1 END,
        sealbook.commitment(e.salt, e.body), e.salt, e.mac, e.body
    FROM sealbook.events e WHERE e.book = p_book AND e.stream = ANY (p_streams)
    ON CONFLICT DO NOTHING;
    DELETE FROM sealbook.events e WHERE e.book = p_book AND e.stream = ANY (p_streams);
    UPDATE sealbook.heads SET state = NULL, latest_at = NULL WHERE book = p_book AND stream = ANY (p_streams);
    PERFORM sealbook.forget(p_book, p_streams);
    RETURN true;
END
$$;

-- Destroy the bodies of records that are set apart. Run by the maintenance role.
CREATE FUNCTION sealbook.destroy_records(p_book smallint, p_stream uuid, p_positions bigint[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE sealbook.events_apart SET salt = NULL, mac = NULL, body = NULL
    WHERE book = p_book AND stream = p_stream AND position = ANY (p_positions)
$$;

-- Days of command ids: a partition for each from today on as far as asked, those before the first kept day
-- dropped. What went to the default partition meanwhile moves to its own. Run by the maintenance role.
CREATE FUNCTION sealbook.keep_command_days(
    p_first date, p_today date, p_last date, OUT made integer, OUT dropped integer
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_day date;
    v_name text;
BEGIN
    made := 0;
    dropped := 0;
    -- The books first, as by every append: nothing is looked up meanwhile, and no id of a day gone gets in.
    UPDATE sealbook.books SET commands_from = greatest(commands_from, p_first);
    DELETE FROM sealbook.commands_default WHERE day < p_first;
    FOR v_name, v_day IN
        SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sealbook.commands'::regclass AND c.relname ~ '^commands_\d{8}$'
    LOOP
        IF v_day < p_first THEN
            EXECUTE format('DROP TABLE sealbook.%I', v_name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    FOR v_day IN
        SELECT DISTINCT d.day FROM (
            SELECT generate_series(p_today, p_last, interval '1 day')::date AS day
            UNION ALL SELECT k.day FROM sealbook.commands_default k WHERE k.day <= p_last
        ) AS d WHERE d.day >= p_first ORDER BY d.day
    LOOP
        v_name := 'commands_' || to_char(v_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('sealbook.' || v_name) IS NOT NULL;
        EXECUTE format('CREATE TABLE sealbook.%I (LIKE sealbook.commands INCLUDING INDEXES)', v_name);
        EXECUTE format('WITH moved AS (DELETE FROM sealbook.commands_default WHERE day = %L RETURNING *)'
            ' INSERT INTO sealbook.%I SELECT * FROM moved', v_day, v_name);
        EXECUTE format('ALTER TABLE sealbook.commands ATTACH PARTITION sealbook.%I FOR VALUES FROM (%L) TO (%L)',
            v_name, v_day, v_day + 1);
        made := made + 1;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION sealbook.keep_command_days FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.set_apart FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.destroy_records FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.append FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.lock_book FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.forget FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.forget_erased FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.vault_put FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.vault_forget FROM PUBLIC;
GRANT USAGE ON SCHEMA sealbook TO sealbook_app;
GRANT SELECT ON ALL TABLES IN SCHEMA sealbook TO sealbook_app;
GRANT EXECUTE ON FUNCTION sealbook.append, sealbook.load, sealbook.carried_out, sealbook.lock_book TO sealbook_app;
GRANT EXECUTE ON FUNCTION sealbook.forget_erased, sealbook.vault_put, sealbook.vault_forget TO sealbook_app;
GRANT INSERT, UPDATE ON sealbook.tracking TO sealbook_app;

RESET ROLE;
