-- Lets a database notice what a test writes, and put exactly that back afterwards.
-- Run as one statement, in the database of a test process, which is a clone of ours.
--
-- sametree.before()   the database is now as it shall be again; '' or 'ddl'
-- sametree.after()    put back what was written since; '' or 'ddl' or 'open', or the
--                     tables that have grown, as 'oid:bytes oid:bytes'
-- sametree.open       the transactions that have been begun since, and have written
--
-- For a superuser, foreign keys and triggers rest on this connection, always: each change
-- of session_replication_role throws all plans away. It also notices DDL. Any other role
-- deletes from all tables in one statement, after which foreign keys are looked at, in
-- whichever order they refer to each other.
DO $prepare$
DECLARE
  mighty constant boolean := current_setting('is_superuser') = 'on';
  each record;
  now text;
BEGIN
  PERFORM set_config('client_min_messages', 'warning', true);
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'sametree'
              AND obj_description(oid, 'pg_namespace') IS DISTINCT FROM 'of the tests')
  THEN
    RAISE EXCEPTION 'the schema "sametree" is needed for the tests, but it is there';
  END IF;
  IF mighty THEN
    PERFORM set_config('session_replication_role', 'replica', false);
    DROP EVENT TRIGGER IF EXISTS sametree_ddl;
    DROP EVENT TRIGGER IF EXISTS sametree_drop;
  END IF;
  DROP SCHEMA IF EXISTS sametree CASCADE;
  CREATE SCHEMA sametree;
  COMMENT ON SCHEMA sametree IS 'of the tests';

  -- No key: of two who write at the same time, neither waits for the other. 0 is DDL.
  CREATE UNLOGGED TABLE sametree.written (relation oid NOT NULL);
  CREATE FUNCTION sametree.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $note$ BEGIN
    INSERT INTO sametree.written VALUES (TG_RELID);
    RETURN NULL;
  END $note$;

  -- Each table that holds rows itself: its columns, the statements that empty and fill
  -- it, whether it held rows, and the triggers that have to rest meanwhile.
  CREATE TABLE sametree.tables (
    relation oid PRIMARY KEY, name text NOT NULL, columns text NOT NULL,
    empty text, fill text, off text, again text, filled boolean NOT NULL DEFAULT false
  );
  -- What has to be put back when ``written`` was. ``directly`` says that its rows are
  -- those of ``written``, otherwise they only refer to them.
  CREATE TABLE sametree.reach (
    written oid NOT NULL, relation oid NOT NULL, directly boolean NOT NULL
  );
  CREATE TABLE sametree.sequences (
    sequence oid PRIMARY KEY, last_value bigint NOT NULL, is_called boolean NOT NULL
  );

  CREATE TEMPORARY TABLE found ON COMMIT DROP AS
    SELECT c.oid, c.relkind, c.oid::regclass::text AS name
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sametree')
       AND NOT starts_with(n.nspname, 'pg_')
       AND pg_has_role(c.relowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e');

  INSERT INTO sametree.tables (relation, name, columns, off, again)
    SELECT f.oid, f.name,
           (SELECT coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), '')
              FROM pg_attribute AS a
             WHERE a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attgenerated = ''),
           t.off, t.again
      FROM found AS f, LATERAL (
        SELECT string_agg('ALTER TABLE ' || f.name || ' DISABLE TRIGGER '
                          || quote_ident(tgname), '; ') AS off,
               string_agg('ALTER TABLE ' || f.name || ' ENABLE '
                          || CASE tgenabled WHEN 'A' THEN 'ALWAYS '
                                            WHEN 'R' THEN 'REPLICA ' ELSE '' END
                          || 'TRIGGER ' || quote_ident(tgname), '; ') AS again
          FROM pg_trigger
         WHERE tgrelid = f.oid AND NOT tgisinternal
           AND tgenabled::text = ANY (CASE WHEN mighty THEN '{A,R}' ELSE '{A,O}' END::text[])
      ) AS t
     WHERE f.relkind = 'r';
  UPDATE sametree.tables SET
    empty = '_' || relation || ' AS (DELETE FROM ONLY ' || name || ')',
    fill = '_' || relation || ' AS (INSERT INTO ' || name || ' (' || columns
      || ') OVERRIDING SYSTEM VALUE SELECT * FROM sametree.held_' || relation || ')';

  WITH RECURSIVE part (whole, relation) AS (
      SELECT oid, oid FROM found WHERE relkind IN ('r', 'p')
       UNION
      SELECT whole, inhrelid FROM part JOIN pg_inherits ON inhparent = relation
    ),
    refers (written, relation, directly) AS (
      SELECT whole, relation, true FROM part
       UNION
      SELECT written, part.relation, false
        FROM refers
        JOIN pg_constraint ON contype = 'f' AND NOT mighty
         AND confrelid IN (SELECT whole FROM part AS up
                            WHERE up.relation = refers.relation)
        JOIN part ON part.whole = conrelid
    )
  INSERT INTO sametree.reach
    SELECT written, relation, bool_or(directly) FROM refers
      JOIN sametree.tables USING (relation)
     GROUP BY written, relation;

  FOR each IN SELECT * FROM found WHERE relkind IN ('r', 'p') LOOP
    EXECUTE 'CREATE TRIGGER sametree_note'
      || ' AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ' || each.name
      || ' WHEN (current_setting(''sametree.resetting'', true) IS DISTINCT FROM ''on'')'
      || ' EXECUTE FUNCTION sametree.note()';
    EXECUTE 'ALTER TABLE ' || each.name || ' ENABLE ALWAYS TRIGGER sametree_note';
  END LOOP;

  CREATE FUNCTION sametree.remember(which oid[]) RETURNS void LANGUAGE plpgsql AS
  $remember$ DECLARE
    each record;
    has_rows boolean;
  BEGIN
    FOR each IN SELECT * FROM sametree.tables WHERE relation = ANY (which) LOOP
      IF each.filled THEN
        EXECUTE 'DROP TABLE sametree.held_' || each.relation;
      END IF;
      EXECUTE 'SELECT EXISTS (SELECT FROM ONLY ' || each.name || ')' INTO has_rows;
      IF has_rows THEN
        EXECUTE 'CREATE TABLE sametree.held_' || each.relation || ' AS SELECT '
          || each.columns || ' FROM ONLY ' || each.name;
      END IF;
      IF has_rows <> each.filled THEN
        UPDATE sametree.tables SET filled = has_rows WHERE relation = each.relation;
      END IF;
    END LOOP;
  END $remember$;

  SELECT coalesce(string_agg(
           'SELECT ' || oid || '::oid AS sequence, last_value, is_called FROM ' || name,
           ' UNION ALL '), 'SELECT 0::oid AS sequence, 0::bigint AS last_value, true AS is_called')
    INTO now FROM found WHERE relkind = 'S';
  EXECUTE 'INSERT INTO sametree.sequences ' || now;
  EXECUTE 'CREATE FUNCTION sametree.sequences_back() RETURNS void LANGUAGE plpgsql AS '
    || quote_literal('BEGIN PERFORM setval(now.sequence::regclass, was.last_value, was.is_called)'
         || ' FROM (' || now || ') AS now JOIN sametree.sequences AS was USING (sequence)'
         || ' WHERE (now.last_value, now.is_called) <> (was.last_value, was.is_called); END');
  EXECUTE 'CREATE FUNCTION sametree.sequences_kept() RETURNS void LANGUAGE plpgsql AS '
    || quote_literal('BEGIN UPDATE sametree.sequences AS was'
         || ' SET last_value = now.last_value, is_called = now.is_called'
         || ' FROM (' || now || ') AS now WHERE was.sequence = now.sequence'
         || ' AND (now.last_value, now.is_called) <> (was.last_value, was.is_called); END');

  -- Whoever has written to a table holds this lock on it until the transaction ends.
  CREATE VIEW sametree.open AS
    SELECT DISTINCT s.pid, s.state, s.application_name, s.query,
           extract(epoch FROM clock_timestamp() - s.xact_start)::float AS seconds
      FROM pg_stat_activity AS s
      JOIN pg_locks AS l ON l.pid = s.pid AND l.locktype = 'relation' AND l.granted
      JOIN sametree.tables AS t ON t.relation = l.relation
     WHERE s.datname = current_database() AND s.pid <> pg_backend_pid()
       AND l.mode = ANY ('{RowExclusiveLock,ShareRowExclusiveLock,AccessExclusiveLock}')
       AND s.xact_start > current_setting('sametree.began')::timestamptz;

  CREATE FUNCTION sametree.taken() RETURNS oid[] LANGUAGE sql AS
  $taken$
    WITH gone AS (DELETE FROM sametree.written RETURNING relation)
    SELECT array_agg(DISTINCT relation) FROM gone
  $taken$;

  CREATE FUNCTION sametree.before() RETURNS text LANGUAGE plpgsql AS
  $before$ DECLARE
    noted oid[];
  BEGIN
    PERFORM set_config('sametree.began', clock_timestamp()::text, false);
    IF NOT EXISTS (SELECT FROM sametree.written) THEN
      -- Cheaper than to read them all; blind only to setval(…, false) on a new sequence.
      IF EXISTS (SELECT FROM sametree.sequences
                  WHERE pg_sequence_last_value(sequence)
                        IS DISTINCT FROM CASE WHEN is_called THEN last_value END) THEN
        PERFORM sametree.sequences_back();
      END IF;
      RETURN '';
    END IF;
    noted := sametree.taken();
    IF 0::oid = ANY (noted) THEN
      RETURN 'ddl';
    END IF;
    PERFORM set_config('sametree.resetting', 'on', true);
    PERFORM sametree.remember(ARRAY(
      SELECT DISTINCT relation FROM sametree.reach
       WHERE written = ANY (noted) AND directly));
    PERFORM sametree.sequences_kept();
    RETURN '';
  END $before$;

  CREATE FUNCTION sametree.after() RETURNS text LANGUAGE plpgsql AS
  $after$ DECLARE
    noted oid[];
    switched_off text;
    switched_on text;
    emptied text;
    filled_again text;
    grown text;
  BEGIN
    -- The first condition is for speed: who has written has a transaction's number.
    IF EXISTS (SELECT FROM pg_stat_get_activity(NULL)
                WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid())
       AND EXISTS (SELECT FROM sametree.open) THEN
      RETURN 'open';
    END IF;
    IF NOT EXISTS (SELECT FROM sametree.written) THEN
      PERFORM sametree.sequences_back();
      RETURN '';
    END IF;
    noted := sametree.taken();
    IF 0::oid = ANY (noted) THEN
      RETURN 'ddl';
    END IF;
    PERFORM set_config('sametree.resetting', 'on', true);
    SELECT string_agg(t.off, '; '), string_agg(t.again, '; '),
           string_agg(t.empty, ', '),
           string_agg(t.fill, ', ') FILTER (WHERE t.filled AND t.columns <> ''),
           string_agg(t.relation || ':' || pg_relation_size(t.relation), ' ')
             FILTER (WHERE pg_relation_size(t.relation) > 65536)
      INTO switched_off, switched_on, emptied, filled_again, grown
      FROM sametree.tables AS t
     WHERE t.relation IN (SELECT r.relation FROM sametree.reach AS r
                           WHERE r.written = ANY (noted) AND (r.directly OR t.filled));
    IF switched_off IS NOT NULL THEN
      EXECUTE switched_off;
    END IF;
    EXECUTE 'WITH ' || emptied || ' SELECT';
    IF filled_again IS NOT NULL THEN
      EXECUTE 'WITH ' || filled_again || ' SELECT';
    END IF;
    IF switched_on IS NOT NULL THEN
      EXECUTE switched_on;
    END IF;
    PERFORM sametree.sequences_back();
    RETURN coalesce(grown, '');
  END $after$;

  PERFORM sametree.remember(ARRAY(SELECT relation FROM sametree.tables));
  PERFORM set_config('sametree.began', clock_timestamp()::text, false);
  DROP TABLE found;

  IF mighty THEN
    CREATE FUNCTION sametree.note_ddl() RETURNS event_trigger
      LANGUAGE plpgsql SECURITY DEFINER AS
    $note_ddl$ DECLARE
      lasting boolean;
    BEGIN
      IF current_setting('sametree.resetting', true) = 'on' THEN
        RETURN;
      ELSIF TG_EVENT = 'sql_drop' THEN
        lasting := EXISTS (SELECT FROM pg_event_trigger_dropped_objects()
                            WHERE NOT is_temporary);
      ELSE
        lasting := EXISTS (SELECT FROM pg_event_trigger_ddl_commands()
                            WHERE schema_name IS DISTINCT FROM 'pg_temp');
      END IF;
      IF lasting THEN
        INSERT INTO sametree.written VALUES (0);
      END IF;
    END $note_ddl$;
    CREATE EVENT TRIGGER sametree_ddl ON ddl_command_end
      EXECUTE FUNCTION sametree.note_ddl();
    ALTER EVENT TRIGGER sametree_ddl ENABLE ALWAYS;
    CREATE EVENT TRIGGER sametree_drop ON sql_drop
      EXECUTE FUNCTION sametree.note_ddl();
    ALTER EVENT TRIGGER sametree_drop ENABLE ALWAYS;
  END IF;
END $prepare$
