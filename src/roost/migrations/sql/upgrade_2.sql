-- From ledger version 1 to 2: no table changes, and the functions of version 1 make way for those of version 2.
DROP FUNCTION IF EXISTS
    roost.fence(bigint, bigint),
    roost.open_run(text, text, integer, text),
    roost.begin_step(bigint, bigint, text, text, text, text, text, text, boolean, text[], text),
    roost.finish_step(text, text, text, text),
    roost.finish_intent(bigint, bigint, text, text, text, text),
    roost.begin_undo(bigint, bigint, text, text),
    roost.finish_undo(text, text, text, text),
    roost.clean_session(),
    roost.move_head(text, text, text),
    roost.record(bigint, text, text, text, text, text, boolean, text, integer, double precision, text),
    roost.settle(text, text);
UPDATE roost.meta SET schema_version = 2;
