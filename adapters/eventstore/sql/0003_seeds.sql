SET LOCAL ROLE sealbook_owner;

-- Keep values, each in a field of its own, where that is still empty: of a full one, what it holds is told, and of
-- whose; `kept` is null then, and false where the owner was erased. Under the book, taken by a statement of its own:
-- what the next one sees is what others have put by then.
CREATE FUNCTION sealbook.vault_put_new(
    p_book smallint, p_subjects uuid[], p_fields text[], p_owners uuid[], p_class text, p_sealed bytea[]
) RETURNS TABLE (owner uuid, sealed bytea, kept boolean) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM sealbook.books b WHERE b.book = p_book FOR UPDATE;
    RETURN QUERY SELECT held.owner, held.sealed, CASE WHEN held.sealed IS NULL THEN
        sealbook.vault_put(p_book, new.subject, new.field, new.owner, p_class, new.sealed)
    END
    FROM unnest(p_subjects, p_fields, p_owners, p_sealed)
        WITH ORDINALITY AS new (subject, field, owner, sealed, place)
    LEFT JOIN sealbook.vault held
        ON held.book = p_book AND held.subject = new.subject AND held.field = new.field
    ORDER BY new.place;
END
$$;

REVOKE ALL ON FUNCTION sealbook.vault_put_new FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sealbook.vault_put_new TO sealbook_app;

RESET ROLE;
