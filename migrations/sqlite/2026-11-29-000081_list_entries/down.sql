DROP TABLE list_entries;
DELETE FROM revisions WHERE name = 'routing';
