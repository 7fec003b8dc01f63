DROP TABLE purged_api_keys;
