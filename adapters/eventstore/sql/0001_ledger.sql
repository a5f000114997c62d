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
CREATE TABLE sealbook.books (
    book smallint PRIMARY KEY,
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
-- append compares. A library's own stream has no state.
CREATE TABLE sealbook.heads (
    book smallint NOT NULL,
    stream uuid NOT NULL,
    version integer NOT NULL,
    state bytea,
    PRIMARY KEY (book, stream)
) WITH (fillfactor = 70);

-- Names are keyed digests; `sealed` holds the readable name under a key, for answers to people.
CREATE TABLE sealbook.names (
    book smallint NOT NULL,
    kind text NOT NULL,
    digest bytea NOT NULL,
    stream uuid NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (book, kind, digest)
);
CREATE INDEX names_stream ON sealbook.names (book, stream);

CREATE TABLE sealbook.commands (
    book smallint NOT NULL,
    command uuid NOT NULL,
    day date NOT NULL,
    digest bytea NOT NULL,
    refusal text,
    stream uuid,
    position bigint,
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

-- Append-only for real: not even the owner changes an event by accident.
CREATE FUNCTION sealbook.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sealbook.events
    FOR EACH ROW EXECUTE FUNCTION sealbook.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON sealbook.events
    FOR EACH STATEMENT EXECUTE FUNCTION sealbook.refuse_change();

-- What a batch of decisions reads, in one statement and so from one snapshot.
CREATE FUNCTION sealbook.load(
    p_book smallint, p_streams uuid[], p_kinds text[], p_digests bytea[], p_commands uuid[]
) RETURNS TABLE (
    what text, stream uuid, version integer, state bytea, digest bytea, refusal text, command uuid, "position" bigint
) LANGUAGE sql STABLE AS $$
    WITH named AS (
        SELECT n.kind, n.digest, n.stream
        FROM unnest(p_kinds, p_digests) AS wanted (kind, digest)
        JOIN sealbook.names n ON n.book = p_book AND n.kind = wanted.kind AND n.digest = wanted.digest
    )
    SELECT 'head', h.stream, h.version, h.state, NULL::bytea, NULL::text, NULL::uuid, NULL::bigint
    FROM sealbook.heads h
    WHERE h.book = p_book AND h.stream = ANY (p_streams || ARRAY(SELECT named.stream FROM named))
    UNION ALL
    SELECT 'name', named.stream, NULL, NULL, named.digest, named.kind, NULL, NULL FROM named
    UNION ALL
    SELECT 'command', c.stream, NULL, NULL, c.digest, c.refusal, c.command, c.position
    FROM sealbook.commands c WHERE c.book = p_book AND c.command = ANY (p_commands)
$$;

CREATE FUNCTION sealbook.lock_book(p_book smallint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT FROM sealbook.books WHERE book = p_book FOR UPDATE
$$;

-- The append. Groups stand or fall each by itself: one whose heads moved, whose name is taken or
-- whose command was carried out is left out and reported; the others are written, densely.
CREATE FUNCTION sealbook.append(
    p_book smallint, p_whole boolean,
    r_group integer[], r_stream uuid[], r_expected integer[],
    h_group integer[], h_stream uuid[], h_expected integer[], h_version integer[], h_state bytea[],
    e_group integer[], e_stream uuid[], e_version integer[], e_salt bytea[], e_mac bytea[], e_body bytea[],
    n_group integer[], n_kind text[], n_digest bytea[], n_stream uuid[], n_sealed bytea[],
    c_group integer[], c_command uuid[], c_digest bytea[], c_refusal text[], c_stream uuid[], c_event integer[],
    i_digest bytea, i_options text, i_before bigint, i_done bigint, i_finished boolean
) RETURNS TABLE (
    what text, grp integer, stream uuid, version integer, state bytea, digest bytea, refusal text, command uuid,
    "position" bigint, recorded_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_last bigint;
    v_at timestamptz;
    v_left integer[];
    v_count integer := cardinality(e_stream);
    v_heads integer;
    v_found integer;
BEGIN
    -- No two appends bear one recorded_at, so that a moment of knowledge is a position.
    -- The book's row before any other lock: in any other order two appends deadlock. What follows
    -- is in statements of their own, so each sees what was committed before the lock was got.
    UPDATE sealbook.books b
    SET position = b.position + v_count, recorded_at = greatest(b.recorded_at + interval '1 microsecond', clock_timestamp())
    WHERE b.book = p_book RETURNING b.position - v_count, b.recorded_at INTO v_last, v_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'book % is not in this ledger', p_book;
    END IF;

    SELECT coalesce(array_agg(DISTINCT left_out.grp), '{}') INTO v_left FROM (
        SELECT r.grp FROM unnest(r_group, r_stream, r_expected) AS r (grp, stream, expected)
        LEFT JOIN sealbook.heads h ON h.book = p_book AND h.stream = r.stream
        WHERE CASE WHEN h.version IS NULL THEN r.expected > 0 ELSE h.version <> r.expected END
        UNION ALL
        SELECT n.grp FROM unnest(n_group, n_kind, n_digest) AS n (grp, kind, digest)
        JOIN sealbook.names t ON t.book = p_book AND t.kind = n.kind AND t.digest = n.digest
        UNION ALL
        SELECT c.grp FROM unnest(c_group, c_command) AS c (grp, command)
        JOIN sealbook.commands k ON k.book = p_book AND k.command = c.command
    ) AS left_out;

    IF cardinality(v_left) > 0 THEN
        IF p_whole THEN
            v_left := ARRAY(SELECT DISTINCT g FROM unnest(r_group || e_group || c_group) AS g);
        END IF;
        v_count := (SELECT count(*) FROM unnest(e_group) AS g WHERE g <> ALL (v_left));
        UPDATE sealbook.books b SET position = v_last + v_count WHERE b.book = p_book;
        RETURN QUERY SELECT 'left', g, NULL::uuid, NULL::integer, NULL::bytea, NULL::bytea, NULL::text, NULL::uuid,
            NULL::bigint, NULL::timestamptz FROM unnest(v_left) AS g;
        RETURN QUERY SELECT DISTINCT 'head', NULL::integer, r.stream, coalesce(h.version, 0), h.state, NULL::bytea,
            NULL::text, NULL::uuid, NULL::bigint, NULL::timestamptz
            FROM unnest(r_stream, r_expected) AS r (stream, expected)
            LEFT JOIN sealbook.heads h ON h.book = p_book AND h.stream = r.stream
            WHERE CASE WHEN h.version IS NULL THEN r.expected > 0 ELSE h.version <> r.expected END;
        RETURN QUERY SELECT 'name', NULL::integer, t.stream, NULL::integer, NULL::bytea, t.digest, t.kind, NULL::uuid,
            NULL::bigint, NULL::timestamptz
            FROM unnest(n_kind, n_digest) AS n (kind, digest)
            JOIN sealbook.names t ON t.book = p_book AND t.kind = n.kind AND t.digest = n.digest;
        RETURN QUERY SELECT 'command', NULL::integer, k.stream, NULL::integer, NULL::bytea, k.digest, k.refusal,
            k.command, k.position, NULL::timestamptz
            FROM unnest(c_command) AS c (command)
            JOIN sealbook.commands k ON k.book = p_book AND k.command = c.command;
    END IF;

    RETURN QUERY
    WITH numbered AS (
        SELECT e.grp, v_last + row_number() OVER (ORDER BY e.n) AS position, e.stream, e.version, e.salt, e.mac, e.body
        FROM unnest(e_group, e_stream, e_version, e_salt, e_mac, e_body)
            WITH ORDINALITY AS e (grp, stream, version, salt, mac, body, n)
        WHERE e.grp <> ALL (v_left)
    ), written AS (
        INSERT INTO sealbook.events (position, recorded_at, stream, version, book, salt, mac, body)
        SELECT numbered.position, v_at, numbered.stream, numbered.version, p_book, numbered.salt, numbered.mac,
            numbered.body
        FROM numbered
    ), firsts AS (
        SELECT numbered.grp, min(numbered.position) AS position FROM numbered GROUP BY numbered.grp
    ), kept AS (
        INSERT INTO sealbook.commands (book, command, day, digest, refusal, stream, position)
        SELECT p_book, c.command, (v_at AT TIME ZONE 'UTC')::date, c.digest, c.refusal, c.stream,
            firsts.position + c.event
        FROM unnest(c_group, c_command, c_digest, c_refusal, c_stream, c_event)
            AS c (grp, command, digest, refusal, stream, event)
        LEFT JOIN firsts ON firsts.grp = c.grp
        WHERE c.grp <> ALL (v_left)
    )
    SELECT 'group', firsts.grp, NULL::uuid, NULL::integer, NULL::bytea, NULL::bytea, NULL::text, NULL::uuid,
        firsts.position, NULL::timestamptz
    FROM firsts;

    -- A head is updated where its version is the expected one and inserted only for a new stream;
    -- an upsert with the same condition would accept a missing head.
    WITH moved AS (
        SELECT h.stream, h.expected, h.version, h.state
        FROM unnest(h_group, h_stream, h_expected, h_version, h_state) AS h (grp, stream, expected, version, state)
        WHERE h.grp <> ALL (v_left)
    ), updated AS (
        UPDATE sealbook.heads t SET version = moved.version, state = moved.state
        FROM moved WHERE t.book = p_book AND t.stream = moved.stream AND t.version = moved.expected
        RETURNING t.stream
    ), inserted AS (
        INSERT INTO sealbook.heads (book, stream, version, state)
        SELECT p_book, moved.stream, moved.version, moved.state FROM moved
        WHERE moved.expected <= 0 AND NOT EXISTS (
            SELECT FROM sealbook.heads t WHERE t.book = p_book AND t.stream = moved.stream
        )
        RETURNING stream
    )
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM updated) + (SELECT count(*) FROM inserted)
    INTO v_heads, v_found;
    IF v_heads <> v_found THEN
        RAISE EXCEPTION 'heads moved under the lock: % of % were as expected', v_found, v_heads;
    END IF;

    INSERT INTO sealbook.names (book, kind, digest, stream, sealed)
    SELECT p_book, n.kind, n.digest, n.stream, n.sealed
    FROM unnest(n_group, n_kind, n_digest, n_stream, n_sealed) AS n (grp, kind, digest, stream, sealed)
    WHERE n.grp <> ALL (v_left);

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

    RETURN QUERY SELECT 'at', NULL::integer, NULL::uuid, NULL::integer, NULL::bytea, NULL::bytea, NULL::text,
        NULL::uuid, v_last, v_at;
END
$$;

REVOKE ALL ON FUNCTION sealbook.append FROM PUBLIC;
REVOKE ALL ON FUNCTION sealbook.lock_book FROM PUBLIC;
GRANT USAGE ON SCHEMA sealbook TO sealbook_app;
GRANT SELECT ON ALL TABLES IN SCHEMA sealbook TO sealbook_app;
GRANT EXECUTE ON FUNCTION sealbook.append, sealbook.load, sealbook.lock_book TO sealbook_app;
GRANT INSERT, UPDATE ON sealbook.tracking TO sealbook_app;

RESET ROLE;
