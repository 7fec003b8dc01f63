DROP INDEX users_username_lower;
DROP TRIGGER revisions_stamp;
DROP TRIGGER revisions_begin;
DROP TABLE stamps;
