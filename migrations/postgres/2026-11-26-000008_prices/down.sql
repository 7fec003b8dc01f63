DROP TABLE prices;
DROP TABLE price_versions;
DELETE FROM revisions WHERE name = 'prices';
