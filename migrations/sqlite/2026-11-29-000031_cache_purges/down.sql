DROP TABLE cache_purges;
DELETE FROM revisions WHERE name = 'cache';
