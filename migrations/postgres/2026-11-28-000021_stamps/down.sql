DROP INDEX users_username_lower;
DROP TRIGGER revisions_stamp ON revisions;
DROP TRIGGER revisions_begin ON revisions;
DROP FUNCTION revisions_stamp;
DROP TABLE stamps;
