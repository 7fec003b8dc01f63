DROP TABLE limits;
DELETE FROM revisions WHERE name = 'limits';
DROP INDEX users_team_id;
DROP TABLE teams;
